/** A storage whose n-th operation fails, as hosts do: with an I/O error, or for want of space. */
import { DiskError } from '@diskfile/bytes';
import type { WritableStorage } from '@diskfile/core';
import { StorageWrapper } from '@diskfile/storage';

export interface FaultPlan {
  /** Which operation fails, counted from 1; `Infinity` for none, to count them. */
  readonly failAt: number;
  /**
   * `EIO` may strike any operation, `ENOSPC` only those that may take space: write, truncate and
   * allocate. Only the operations that it may strike are counted.
   */
  readonly errno: 'EIO' | 'ENOSPC';
  /** Whether all operations after it fail too, until {@link FaultStorage.heal}. */
  readonly lasting?: boolean;
}

const SECTOR_BYTES = 512;

type Operation = 'read' | 'write' | 'flush' | 'truncate' | 'punch' | 'allocate';

const TAKE_SPACE: ReadonlySet<Operation> = new Set<Operation>(['write', 'truncate', 'allocate']);

/** Counts the operations of one or more files, and says which are to fail. */
export class Faults {
  /** Operations that the plan's error may strike, so far. */
  operations = 0;
  /** How many failed. */
  faults = 0;
  #plan: FaultPlan;
  #isPaused = false;

  constructor(plan: FaultPlan) {
    this.#plan = plan;
  }

  /** From now on everything works. */
  heal(): void {
    this.#plan = { ...this.#plan, failAt: Infinity };
  }

  /** Does something that neither fails nor counts. */
  paused<T>(work: () => T): T {
    this.#isPaused = true;
    try {
      return work();
    } finally {
      this.#isPaused = false;
    }
  }

  strikes(op: Operation): boolean {
    if (this.#isPaused) return false;
    const { errno, failAt, lasting = false } = this.#plan;
    if (errno === 'ENOSPC' && !TAKE_SPACE.has(op)) return false;
    this.operations += 1;
    const strikes = lasting ? this.operations >= failAt : this.operations === failAt;
    if (strikes) this.faults += 1;
    return strikes;
  }

  errorOf(op: Operation, path: string): DiskError {
    const { errno } = this.#plan;
    const code = errno === 'EIO' ? 'io' : 'no-space';
    const context = { op, path, layer: 'storage' };
    return new DiskError(code, 'test.fault', `${errno} on purpose`, context);
  }
}

/** Faults are {@link DiskError}s like those of a file, with the detail `test.fault`. */
export class FaultStorage extends StorageWrapper {
  readonly #faults: Faults;

  /** @param plan of this file alone, or what it shares with others */
  constructor(inner: WritableStorage, plan: FaultPlan | Faults) {
    super(inner);
    this.#faults = plan instanceof Faults ? plan : new Faults(plan);
  }

  get operations(): number {
    return this.#faults.operations;
  }

  get faults(): number {
    return this.#faults.faults;
  }

  heal(): void {
    this.#faults.heal();
  }

  #strikes(op: Operation): boolean {
    return this.#faults.strikes(op);
  }

  #refuse(op: Operation): void {
    if (this.#strikes(op)) throw this.#fault(op);
  }

  #fault(op: Operation): DiskError {
    return this.#faults.errorOf(op, this.name);
  }

  override readSync(dst: Uint8Array, offset: number): void {
    this.#refuse('read');
    super.readSync(dst, offset);
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    this.#refuse('read');
    await super.read(dst, offset);
  }

  override readvSync(buffers: readonly Uint8Array[], offset: number): void {
    this.#refuse('read');
    super.readvSync(buffers, offset);
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    this.#refuse('read');
    await super.readv(buffers, offset);
  }

  /** A write that fails has written the first half, up to the end of a sector. */
  override writeSync(src: Uint8Array, offset: number): void {
    if (this.#strikes('write')) {
      super.writeSync(firstHalf(src, offset), offset);
      throw this.#fault('write');
    }
    super.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    if (this.#strikes('write')) {
      await super.write(firstHalf(src, offset), offset);
      throw this.#fault('write');
    }
    await super.write(src, offset);
  }

  override flushSync(): void {
    this.#refuse('flush');
    super.flushSync();
  }

  override async flush(): Promise<void> {
    this.#refuse('flush');
    await super.flush();
  }

  override truncateSync(sizeBytes: number): void {
    this.#refuse('truncate');
    super.truncateSync(sizeBytes);
  }

  override async truncate(sizeBytes: number): Promise<void> {
    this.#refuse('truncate');
    await super.truncate(sizeBytes);
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.#refuse('punch');
    return super.punchHoleSync(offset, lengthBytes);
  }

  override async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    this.#refuse('punch');
    return await super.punchHole(offset, lengthBytes);
  }

  override allocateSync(offset: number, lengthBytes: number): boolean {
    this.#refuse('allocate');
    return super.allocateSync(offset, lengthBytes);
  }

  override async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    this.#refuse('allocate');
    return await super.allocate(offset, lengthBytes);
  }
}

/** Hosts take space in whole sectors at least, so no sector is torn. */
function firstHalf(src: Uint8Array, offset: number): Uint8Array {
  const end = offset + Math.floor(src.length / 2);
  return src.subarray(0, Math.max(0, end - (end % SECTOR_BYTES) - offset));
}
