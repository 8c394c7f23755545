/**
 * A file or block device that is there and is to hold something new, where nothing can take its
 * place: seen from outside it is empty, and grows as a new file does. What it held before is left
 * alone until the first change.
 */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import {
  type HostRange,
  runAsync,
  runSync,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
  writeZeros,
  zeroRange,
} from '@diskfile/core';
import { StorageWrapper } from './storage-wrapper.ts';

const SECTOR_BYTES = 512;
/** What devices let be zeroed without writing is aligned to their sectors, of 4 KiB at most. */
const ZEROING_ALIGNMENT = 4096;

export interface InPlaceOptions {
  readonly isDevice: boolean;
  readonly hostPath: string | undefined;
  /** Whether a device keeps what it holds behind the last byte that is written; see `NewFileOptions`. */
  readonly keepsContent: boolean;
}

export class InPlaceStorage extends StorageWrapper {
  readonly #inner: WritableStorage;
  readonly #options: InPlaceOptions;
  /** As of the new file; a device itself is longer. */
  #sizeBytes = 0;
  /** Up to where a device holds what the new file does; behind that, zeros are yet to be put. */
  #heldBytes = 0;
  #isBegun = false;
  /** Done once what counts as held is so. */
  #cleared: Promise<void> = Promise.resolve();

  constructor(inner: WritableStorage, options: InPlaceOptions) {
    super(inner);
    this.#inner = inner;
    this.#options = options;
  }

  override get hostPath(): string | undefined {
    return this.#options.hostPath;
  }

  override get sizeBytes(): number {
    return this.#sizeBytes;
  }

  override hostRangeSync(offset: number, lengthBytes: number): HostRange {
    const end = this.#readableBytes;
    if (offset >= end) return { data: false, lengthBytes };
    return super.hostRangeSync(offset, Math.min(lengthBytes, end - offset));
  }

  override readSync(dst: Uint8Array, offset: number): void {
    const there = this.#zeroBeyondEnd(dst, offset);
    if (there.length > 0) this.#inner.readSync(there, offset);
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    const there = this.#zeroBeyondEnd(dst, offset);
    await this.#cleared;
    if (there.length > 0) await this.#inner.read(there, offset);
  }

  override readvSync(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset;
    for (const buffer of buffers) {
      this.readSync(buffer, at);
      at += buffer.length;
    }
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      await this.read(buffer, at);
      at += buffer.length;
    }
  }

  #zeroBeyondEnd(dst: Uint8Array, offset: number): Uint8Array {
    const there = Math.min(dst.length, Math.max(this.#readableBytes - offset, 0));
    dst.fill(0, there);
    return dst.subarray(0, there);
  }

  /** Behind them are zeros, whatever the host has. */
  get #readableBytes(): number {
    return this.#options.isDevice ? this.#heldBytes : this.#sizeBytes;
  }

  override writeSync(src: Uint8Array, offset: number): void {
    if (src.length === 0) return;
    const clearing = this.#claim(offset, offset + src.length);
    if (clearing !== undefined) runSync(clearing);
    this.#inner.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    if (src.length === 0) return;
    await this.#clear(this.#claim(offset, offset + src.length));
    await this.#inner.write(src, offset);
  }

  override truncateSync(sizeBytes: number): void {
    const clearing = this.#resize(sizeBytes);
    if (clearing !== undefined) runSync(clearing);
    if (!this.#options.isDevice) this.#inner.truncateSync(sizeBytes);
  }

  override async truncate(sizeBytes: number): Promise<void> {
    await this.#clear(this.#resize(sizeBytes));
    if (!this.#options.isDevice) await this.#inner.truncate(sizeBytes);
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    const end = Math.min(offset + lengthBytes, this.#readableBytes);
    return end <= offset || this.#inner.punchHoleSync(offset, end - offset);
  }

  override async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    await this.#cleared;
    return this.punchHoleSync(offset, lengthBytes);
  }

  /** A device has its space. */
  override allocateSync(offset: number, lengthBytes: number): boolean {
    if (this.#options.isDevice || lengthBytes === 0) return lengthBytes === 0;
    const clearing = this.#claim(0, 0);
    if (clearing !== undefined) runSync(clearing);
    const isDone = this.#inner.allocateSync(offset, lengthBytes);
    this.#sizeBytes = Math.max(this.#sizeBytes, this.#inner.sizeBytes);
    return isDone;
  }

  override async allocate(offset: number, lengthBytes: number): Promise<boolean> {
    if (this.#options.isDevice || lengthBytes === 0) return lengthBytes === 0;
    await this.#clear(this.#claim(0, 0));
    const isDone = await this.#inner.allocate(offset, lengthBytes);
    this.#sizeBytes = Math.max(this.#sizeBytes, this.#inner.sizeBytes);
    return isDone;
  }

  /** Whoever has opened the file flushes it once all is written: half of it is of no use. */
  override flushSync(): void {}

  override async flush(): Promise<void> {}

  /** As {@link flushSync}: the file is closed by who has opened it. */
  override closeSync(): void {}

  override async close(): Promise<void> {
    await this.#cleared;
  }

  /** Puts the zeros that the new file ends in. Called once all is written. */
  *finish(): Step<void> {
    const { isDevice, keepsContent } = this.#options;
    if (!isDevice || keepsContent) return;
    const clearing = this.#claim(this.#sizeBytes, this.#sizeBytes);
    if (clearing !== undefined) yield* clearing;
  }

  /** In the order of the claims; what comes after waits for all of them. */
  #clear(clearing: Step<void> | undefined): Promise<void> {
    if (clearing !== undefined) this.#cleared = this.#cleared.then(() => runAsync(clearing));
    return this.#cleared;
  }

  /**
   * Counts all up to `end` as held at once, so that what is claimed next begins there.
   * @param start where what is written by the caller begins
   * @returns how what is before comes to read as zeros, where that takes anything
   */
  #claim(start: number, end: number): Step<void> | undefined {
    const { isDevice } = this.#options;
    if (isDevice && end > this.#inner.sizeBytes) throw this.#tooSmall(end);
    const oldEnd = this.#heldBytes;
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    this.#heldBytes = Math.max(oldEnd, end);
    this.#sizeBytes = Math.max(this.#sizeBytes, end);
    const hasGap = isDevice && start > oldEnd;
    return isFirst || hasGap ? this.#clearing(isFirst, oldEnd, hasGap ? start : oldEnd) : undefined;
  }

  /** @returns as {@link #claim} */
  #resize(sizeBytes: number): Step<void> | undefined {
    if (this.#options.isDevice && sizeBytes > this.#inner.sizeBytes)
      throw this.#tooSmall(sizeBytes);
    const clearing = this.#claim(0, 0);
    this.#sizeBytes = sizeBytes;
    this.#heldBytes = Math.min(this.#heldBytes, sizeBytes);
    return clearing;
  }

  *#clearing(isFirst: boolean, start: number, end: number): Step<void> {
    const { isDevice } = this.#options;
    // What is behind the first sector of a device means nothing without that.
    const first = Math.min(SECTOR_BYTES, this.#inner.sizeBytes);
    if (isFirst && isDevice) yield* writeBytes(this.#inner, new Uint8Array(first), 0);
    else if (isFirst) yield* truncateStorage(this.#inner, 0);
    if (start === end) return;
    const from = Math.min(alignUp(start, ZEROING_ALIGNMENT), end);
    const to = Math.max(alignDown(end, ZEROING_ALIGNMENT), from);
    const isZeroed = to > from && (yield* zeroRange(this.#inner, from, to - from, true));
    yield* writeZeros(this.#inner, start, (isZeroed ? from : end) - start);
    if (isZeroed) yield* writeZeros(this.#inner, to, end - to);
  }

  #tooSmall(neededBytes: number): DiskError {
    return new DiskError(
      'no-space',
      'storage.device-too-small',
      `${this.name} is a device of ${this.#inner.sizeBytes} bytes, and ${neededBytes} are needed`,
      { op: 'write', path: this.name, layer: 'storage', hint: 'Use a larger device.' },
    );
  }
}
