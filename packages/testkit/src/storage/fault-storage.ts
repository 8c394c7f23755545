/** A storage whose n-th operation fails, as hosts do: with an I/O error, or for want of space. */
import { DiskError } from '@diskfile/bytes';
import type { WritableStorage } from '@diskfile/core';
import { StorageWrapper } from './storage-wrapper.ts';

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

type Operation = 'read' | 'write' | 'flush' | 'truncate' | 'punch' | 'allocate';

const TAKE_SPACE: ReadonlySet<Operation> = new Set<Operation>(['write', 'truncate', 'allocate']);

/** Faults are {@link DiskError}s like those of a file, with the detail `test.fault`. */
export class FaultStorage extends StorageWrapper {
  /** Operations that the plan's error may strike, so far. */
  operations = 0;
  /** How many failed. */
  faults = 0;
  #plan: FaultPlan;

  constructor(inner: WritableStorage, plan: FaultPlan) {
    super(inner);
    this.#plan = plan;
  }

  /** From now on everything works. */
  heal(): void {
    this.#plan = { ...this.#plan, failAt: Infinity };
  }

  #strikes(op: Operation): boolean {
    const { errno, failAt, lasting = false } = this.#plan;
    if (errno === 'ENOSPC' && !TAKE_SPACE.has(op)) return false;
    this.operations += 1;
    const strikes = lasting ? this.operations >= failAt : this.operations === failAt;
    if (strikes) this.faults += 1;
    return strikes;
  }

  #refuse(op: Operation): void {
    if (this.#strikes(op)) throw this.#fault(op);
  }

  #fault(op: Operation): DiskError {
    const { errno } = this.#plan;
    const code = errno === 'EIO' ? 'io' : 'no-space';
    const context = { op, path: this.name, layer: 'storage' };
    return new DiskError(code, 'test.fault', `${errno} on purpose`, context);
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

  /** A write that fails has written the first half. */
  override writeSync(src: Uint8Array, offset: number): void {
    if (this.#strikes('write')) {
      super.writeSync(firstHalf(src), offset);
      throw this.#fault('write');
    }
    super.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    if (this.#strikes('write')) {
      await super.write(firstHalf(src), offset);
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

function firstHalf(src: Uint8Array): Uint8Array {
  return src.subarray(0, Math.floor(src.length / 2));
}
