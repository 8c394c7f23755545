/**
 * A storage that plays a host with faults: what QEMU's `blkdebug` is. Formats tell it what their
 * requests are for (`StorageEvents`); rules say which of them fail, and which wait.
 */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import type {
  HostCall,
  Storage,
  StorageEvent,
  StorageEvents,
  WritableStorage,
} from '@diskfile/core';
import { StorageWrapper } from '@diskfile/storage';
import type { FaultScript } from './fault-script.ts';
import { RequestQueue } from './request-queue.ts';
import type { IoType } from './rule.ts';

/** Limits that the host is to have, in bytes. */
export interface DebugLimits {
  /** Unit of writes; what is smaller is read, changed and written whole. 1 for none. */
  readonly align: number;
  /** Unit of discards; what is smaller is ignored. */
  readonly discardUnit: number;
}

/** What a storage and its views for particular events share. */
interface Shared {
  readonly script: FaultScript;
  readonly limits: DebugLimits;
  readonly queue: RequestQueue;
  readonly views: Map<string, DebugStorage>;
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
    });
  }

  get events(): StorageEvents {
    return this;
  }

  get data(): WritableStorage {
    return this.#view('data', 'read_aio', 'write_aio');
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
    const { start, end } = this.#whole(offset, src.length);
    const bytes = end - start === src.length ? src : new Uint8Array(end - start);
    if (bytes !== src) {
      if (start < offset) this.#readPartSync(bytes, start, 'head');
      if (end > offset + src.length) this.#readPartSync(bytes, start, 'tail');
      bytes.set(src, offset - start);
    }
    this.#fireSync('pwritev');
    this.#check('write', start, bytes.length);
    super.writeSync(bytes, start);
    this.#fireSync('pwritev_done');
  }

  #readPartSync(bytes: Uint8Array, start: number, part: 'head' | 'tail'): void {
    const { align } = this.#shared.limits;
    this.#fireSync(`pwritev_rmw_${part}`);
    const at = part === 'head' ? 0 : bytes.length - align;
    this.#check('read', start + at, align);
    super.readSync(bytes.subarray(at, at + align), start + at);
    this.#fireSync(`pwritev_rmw_after_${part}`);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#fire(this.#writeEvent);
    const { start, end } = this.#whole(offset, src.length);
    const isWhole = end - start === src.length;
    await this.#shared.queue.run({ start, end, isAlone: !isWhole }, async () => {
      const bytes = isWhole ? src : await this.#completed(src, offset, { start, end });
      await this.#fire('pwritev');
      this.#check('write', start, bytes.length);
      await super.write(bytes, start);
      await this.#fire('pwritev_done');
    });
  }

  /** The units that a write touches, as they are to be. */
  async #completed(
    src: Uint8Array,
    offset: number,
    { start, end }: { start: number; end: number },
  ): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start);
    if (start < offset) await this.#readPart(bytes, start, 'head');
    if (end > offset + src.length) await this.#readPart(bytes, start, 'tail');
    bytes.set(src, offset - start);
    return bytes;
  }

  async #readPart(bytes: Uint8Array, start: number, part: 'head' | 'tail'): Promise<void> {
    const { align } = this.#shared.limits;
    await this.#fire(`pwritev_rmw_${part}`);
    const at = part === 'head' ? 0 : bytes.length - align;
    this.#check('read', start + at, align);
    await super.read(bytes.subarray(at, at + align), start + at);
    await this.#fire(`pwritev_rmw_after_${part}`);
  }

  /** The units that a range touches. */
  #whole(offset: number, lengthBytes: number): { start: number; end: number } {
    const { align } = this.#shared.limits;
    return { start: alignDown(offset, align), end: alignUp(offset + lengthBytes, align) };
  }

  override flushSync(): void {
    this.#check('flush', 0, 0);
    super.flushSync();
  }

  override async flush(): Promise<void> {
    this.#check('flush', 0, 0);
    await super.flush();
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.#fireSync(this.#zeroEvent);
    const range = this.#punched(offset, lengthBytes);
    if (range === undefined) return false;
    return range.lengthBytes === 0 || super.punchHoleSync(range.offset, range.lengthBytes);
  }

  override async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    await this.#fire(this.#zeroEvent);
    const range = this.#punched(offset, lengthBytes);
    if (range === undefined) return false;
    return range.lengthBytes === 0 || (await super.punchHole(range.offset, range.lengthBytes));
  }

  /** Space that is set aside is zeros; whoever sets it aside for data says so by their event. */
  override allocateSync(offset: number, lengthBytes: number): boolean {
    this.#fireSync(this.#zeroEvent);
    if (this.#zeroEvent !== undefined) this.#check('write-zeroes', offset, lengthBytes);
    return super.allocateSync(offset, lengthBytes);
  }

  override async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    await this.#fire(this.#zeroEvent);
    if (this.#zeroEvent !== undefined) this.#check('write-zeroes', offset, lengthBytes);
    return await super.allocate(offset, lengthBytes);
  }

  /** Zeros are asked for by their event; else it is a discard. */
  get #zeroEvent(): 'pwritev_zero' | undefined {
    return this.#writeEvent === 'pwritev_zero' ? 'pwritev_zero' : undefined;
  }

  /** The part that is punched: of a discard, whole units. Undefined where none can be. */
  #punched(
    offset: number,
    lengthBytes: number,
  ): { offset: number; lengthBytes: number } | undefined {
    const isZero = this.#zeroEvent !== undefined;
    this.#check(isZero ? 'write-zeroes' : 'discard', offset, lengthBytes);
    const { align, discardUnit } = this.#shared.limits;
    const unit = isZero ? align : Math.max(align, discardUnit);
    const start = alignUp(offset, unit);
    const end = alignDown(offset + lengthBytes, unit);
    // What is left of zeros would have to be written.
    if (isZero && (start !== offset || end !== offset + lengthBytes)) return undefined;
    return { offset: start, lengthBytes: Math.max(0, end - start) };
  }
}

function lengthOf(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
