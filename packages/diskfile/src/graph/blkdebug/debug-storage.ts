/**
 * A storage that plays a host with faults: what QEMU's `blkdebug` is. Formats tell it what their
 * requests are for (`StorageEvents`); rules say which of them fail, and which wait.
 */
import { alignDown, alignUp, DiskError, isAligned } from '@diskfile/bytes';
import {
  allocateSpace,
  flushStorage,
  type HostCall,
  readInto,
  runAsync,
  runSync,
  type Step,
  type Storage,
  type StorageEvent,
  type StorageEvents,
  type WritableStorage,
  writeBytes,
  zeroRange,
} from '@diskfile/core';
import { StorageWrapper } from '@diskfile/storage';
import type { FaultScript } from './fault-script.ts';
import {
  type DebugLimits,
  discardInPieces,
  type LimitedTarget,
  zeroInPieces,
} from './limited-requests.ts';
import { RequestQueue } from './request-queue.ts';
import type { IoType } from './rule.ts';
import { ToldStorage } from './told-storage.ts';

/** What a storage and its views for particular events share. */
interface Shared {
  readonly script: FaultScript;
  readonly limits: DebugLimits;
  readonly queue: RequestQueue;
  readonly views: Map<string, DebugStorage>;
  /** Whether something was written since the last flush; else none has to go on. */
  isDirty: boolean;
  /** Whether something was written since the last flush that a format told of. */
  isUntold: boolean;
}

/** A range that begins and ends at multiples of the unit of writes. */
interface Units {
  readonly start: number;
  readonly end: number;
}

export class DebugStorage extends StorageWrapper implements StorageEvents {
  readonly #shared: Shared;
  /** Event of each request; undefined where it tells of nothing. */
  readonly #readEvent: StorageEvent | undefined;
  readonly #writeEvent: StorageEvent | undefined;

  private constructor(
    inner: Storage,
    shared: Shared,
    readEvent?: StorageEvent,
    writeEvent?: StorageEvent,
  ) {
    super(inner);
    this.#shared = shared;
    this.#readEvent = readEvent;
    this.#writeEvent = writeEvent;
  }

  static over(inner: Storage, script: FaultScript, limits: DebugLimits): DebugStorage {
    return new DebugStorage(inner, {
      script,
      limits,
      queue: new RequestQueue(),
      views: new Map(),
      isDirty: false,
      isUntold: false,
    });
  }

  get events(): StorageEvents {
    return this;
  }

  /** Unit of writes. */
  get writeUnitBytes(): number {
    return this.#shared.limits.align;
  }

  get data(): WritableStorage {
    return this.#view('data', 'read_aio', 'write_aio');
  }

  dataIn(file: Storage): Storage {
    return new ToldStorage(file, this, 'read_aio', 'write_aio');
  }

  during(event: StorageEvent): WritableStorage {
    return this.#view(event, event, event);
  }

  #view(key: string, read: StorageEvent, write: StorageEvent): DebugStorage {
    const { views } = this.#shared;
    const known = views.get(key);
    if (known !== undefined) return known;
    const view = new DebugStorage(this.inner, this.#shared, read, write);
    views.set(key, view);
    return view;
  }

  announce(event: StorageEvent): HostCall {
    return { runSync: () => this.#fireSync(event), run: () => this.#fire(event) };
  }

  leaked(reason: DiskError): void {
    this.#shared.script.listener?.leaked(reason);
  }

  /** Writes what was read from below, as one request. */
  *writeCopied(src: Uint8Array, offset: number): Step<void> {
    yield this.announce('cor_write');
    this.#check('write', offset, src.length);
    yield* writeBytes(this.target, src, offset);
  }

  /** As {@link writeCopied}, of zeros. */
  *zeroCopied(offset: number, lengthBytes: number): Step<void> {
    yield this.announce('cor_write');
    this.#check('write-zeroes', offset, lengthBytes);
    yield* zeroRange(this.target, offset, lengthBytes, true);
  }

  async #fire(event: StorageEvent | undefined): Promise<void> {
    if (event === undefined) return;
    const { script } = this.#shared;
    const tags = script.fire(event);
    if (tags.length > 0) await script.stop(tags);
  }

  #fireSync(event: StorageEvent | undefined): void {
    if (event === undefined || this.#shared.script.fire(event).length === 0) return;
    throw new DiskError(
      'unsupported',
      'storage.breakpoint-sync',
      'A breakpoint stops a synchronous request, which cannot wait',
      { path: this.name, layer: 'storage', hint: 'Use the asynchronous form.' },
    );
  }

  #check(ioType: IoType, offset: number, lengthBytes: number): void {
    this.#shared.script.check(ioType, offset, lengthBytes);
  }

  override readSync(dst: Uint8Array, offset: number): void {
    this.#fireSync(this.#readEvent);
    this.#check('read', offset, dst.length);
    super.readSync(dst, offset);
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#fire(this.#readEvent);
    await this.#shared.queue.run({ start: offset, end: offset + dst.length }, async () => {
      this.#check('read', offset, dst.length);
      await super.read(dst, offset);
    });
  }

  override readvSync(buffers: readonly Uint8Array[], offset: number): void {
    this.#fireSync(this.#readEvent);
    this.#check('read', offset, lengthOf(buffers));
    super.readvSync(buffers, offset);
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#fire(this.#readEvent);
    this.#check('read', offset, lengthOf(buffers));
    await super.readv(buffers, offset);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    this.#fireSync(this.#writeEvent);
    runSync(this.#writing(src, offset, this.#whole(offset, src.length)));
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#fire(this.#writeEvent);
    const whole = this.#whole(offset, src.length);
    const isAlone = whole.end - whole.start > src.length;
    await this.#shared.queue.run({ ...whole, isAlone }, () =>
      runAsync(this.#writing(src, offset, whole)),
    );
  }

  *#writing(src: Uint8Array, offset: number, { start, end }: Units): Step<void> {
    const isWhole = end - start === src.length;
    const bytes = isWhole ? src : yield* this.#completed(src, offset, { start, end });
    yield this.announce('pwritev');
    this.#markDirty();
    this.#check('write', start, bytes.length);
    yield* writeBytes(this.target, bytes, start);
    yield this.announce('pwritev_done');
  }

  /** The units that a write touches, as they are to be. */
  *#completed(src: Uint8Array, offset: number, { start, end }: Units): Step<Uint8Array> {
    const bytes = new Uint8Array(end - start);
    if (start < offset) yield* this.#readPart(bytes, start, 'head');
    if (end > offset + src.length) yield* this.#readPart(bytes, start, 'tail');
    bytes.set(src, offset - start);
    return bytes;
  }

  *#readPart(bytes: Uint8Array, start: number, part: 'head' | 'tail'): Step<void> {
    const { align } = this.#shared.limits;
    yield this.announce(`pwritev_rmw_${part}`);
    const at = part === 'head' ? 0 : bytes.length - align;
    this.#check('read', start + at, align);
    yield* readInto(this.inner, bytes.subarray(at, at + align), start + at);
    yield this.announce(`pwritev_rmw_after_${part}`);
  }

  /** The units that a range touches. */
  #whole(offset: number, lengthBytes: number): Units {
    const { align } = this.#shared.limits;
    return { start: alignDown(offset, align), end: alignUp(offset + lengthBytes, align) };
  }

  #markDirty(): void {
    this.#shared.isDirty = true;
    this.#shared.isUntold = true;
  }

  override flushSync(): void {
    runSync(this.#flushing());
  }

  override async flush(): Promise<void> {
    await runAsync(this.#flushing());
  }

  *#flushing(): Step<void> {
    const shared = this.#shared;
    // A format that tells of its flush has left all of it to this one, for QEMU.
    const isTold = this.#writeEvent === 'flush_to_disk';
    if (isTold) yield this.announce('flush_to_disk');
    if (!(isTold ? shared.isUntold : shared.isDirty)) return;
    this.#check('flush', 0, 0);
    shared.isDirty = false;
    if (isTold) shared.isUntold = false;
    yield* flushStorage(this.target);
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    return runSync(this.#punching(offset, lengthBytes));
  }

  override async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    return await runAsync(this.#punching(offset, lengthBytes));
  }

  override allocateSync(offset: number, lengthBytes: number): boolean {
    return runSync(this.#allocating(offset, lengthBytes));
  }

  override async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return await runAsync(this.#allocating(offset, lengthBytes));
  }

  /** Space that is set aside is zeros; whoever sets it aside for data says so by their event. */
  *#allocating(offset: number, lengthBytes: number): Step<boolean> {
    if (this.#writeEvent === 'pwritev_zero') {
      yield this.announce('pwritev_zero');
      this.#check('write-zeroes', offset, lengthBytes);
    }
    return yield* allocateSpace(this.target, offset, lengthBytes);
  }

  /** Zeros are asked for by their event; else it is a discard. */
  *#punching(offset: number, lengthBytes: number): Step<boolean> {
    if (this.#writeEvent === 'pwritev_zero') return yield* this.#zeroing(offset, lengthBytes, true);
    yield* this.#discarding(offset, lengthBytes);
    return true;
  }

  zeroSync(offset: number, lengthBytes: number, mayUnmap: boolean): boolean {
    return runSync(this.#zeroing(offset, lengthBytes, mayUnmap));
  }

  async zero(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean> {
    return await runAsync(this.#zeroing(offset, lengthBytes, mayUnmap));
  }

  *#zeroing(offset: number, lengthBytes: number, mayUnmap: boolean): Step<boolean> {
    const { align } = this.#shared.limits;
    if (!isAligned(offset, align) || !isAligned(lengthBytes, align)) return false;
    this.#markDirty();
    yield this.announce('pwritev_zero');
    yield* zeroInPieces(this.#limitedTarget, { offset, lengthBytes }, mayUnmap);
    yield this.announce('pwritev_done');
    return true;
  }

  discardSync(offset: number, lengthBytes: number): void {
    runSync(this.#discarding(offset, lengthBytes));
  }

  async discard(offset: number, lengthBytes: number): Promise<void> {
    await runAsync(this.#discarding(offset, lengthBytes));
  }

  *#discarding(offset: number, lengthBytes: number): Step<void> {
    this.#markDirty();
    yield* discardInPieces(this.#limitedTarget, { offset, lengthBytes });
  }

  get #limitedTarget(): LimitedTarget {
    return {
      storage: this.target,
      limits: this.#shared.limits,
      check: (ioType, { offset, lengthBytes }) => this.#check(ioType, offset, lengthBytes),
    };
  }
}

function lengthOf(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
