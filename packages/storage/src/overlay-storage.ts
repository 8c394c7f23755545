/** Writes kept apart from what they are written onto: a scratch copy that costs nothing to make. */
import { alignDown, DiskError } from '@diskfile/bytes';
import {
  checkArgument,
  flushStorage,
  MemoryStorage,
  readInto,
  runAsync,
  runSync,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';

/** Unit in which content moves from the base to where the writes go. */
const BLOCK_BYTES = 64 * 1024;
/** In place of a slot: the block reads as zeros. */
const ZEROS = -1;

/**
 * Reads come from the base until something is written over them; the base is never changed. The
 * map of what was written lives in memory and ends with the storage, so a flush makes writes only
 * as safe as that. Closing closes both storages.
 *
 * Asynchronous writes run one after another. A synchronous one cannot wait for them and is refused.
 */
export class OverlayStorage implements WritableStorage {
  readonly name: string;
  readonly synchronous: boolean;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  readonly #base: Storage;
  readonly #top: WritableStorage;
  /** Blocks that no longer read from the base, and the slot of the top that holds each. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots: number[] = [];
  /** Slots to be free once the reads that are under way have ended: one may look at them. */
  readonly #retiredSlots: number[] = [];
  #readsPending = 0;
  #slotCount = 0;
  /** The base reads as zeros from here on: the storage was cut there once. */
  #baseEnd: number;
  #sizeBytes: number;
  #lastWrite: Promise<void> = Promise.resolve();
  #writesPending = 0;

  /** @param top empty; takes what is written, by default in memory */
  constructor(base: Storage, top: WritableStorage = new MemoryStorage()) {
    checkArgument('open', 'base', base, 'storage');
    this.#base = base;
    this.#top = top;
    this.#baseEnd = base.sizeBytes;
    this.#sizeBytes = base.sizeBytes;
    this.name = base.name;
    this.synchronous = base.synchronous && top.synchronous;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  allocatedBytes(): number {
    const unused = this.#freeSlots.length + this.#retiredSlots.length;
    return (this.#slotCount - unused) * BLOCK_BYTES;
  }

  readSync(dst: Uint8Array, offset: number): void {
    runSync(this.#readStep(dst, offset));
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    this.#readsPending += 1;
    try {
      await runAsync(this.#readStep(dst, offset));
    } finally {
      this.#readsPending -= 1;
      if (this.#readsPending === 0) this.#freeSlots.push(...this.#retiredSlots.splice(0));
    }
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    for (const { buffer, at } of placed(buffers, offset)) this.readSync(buffer, at);
  }

  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    for (const { buffer, at } of placed(buffers, offset)) await this.read(buffer, at);
  }

  *#readStep(dst: Uint8Array, offset: number): Step<void> {
    for (const { block, within, bytes } of blocks(dst, offset)) {
      const slot = this.#slots.get(block);
      if (slot === undefined) yield* this.#readBase(bytes, block * BLOCK_BYTES + within);
      else if (slot === ZEROS) bytes.fill(0);
      else yield* readInto(this.#top, bytes, slot * BLOCK_BYTES + within);
    }
  }

  *#readBase(dst: Uint8Array, offset: number): Step<void> {
    const there = Math.max(0, Math.min(dst.length, this.#baseEnd - offset));
    dst.fill(0, there);
    if (there > 0) yield* readInto(this.#base, dst.subarray(0, there), offset);
  }

  writeSync(src: Uint8Array, offset: number): void {
    this.#changeSync(() => this.#writeStep(src, offset));
  }

  write(src: Uint8Array, offset: number): Promise<void> {
    return this.#change(() => this.#writeStep(src, offset));
  }

  *#writeStep(src: Uint8Array, offset: number): Step<void> {
    for (const { block, within, bytes } of blocks(src, offset)) {
      const end = block * BLOCK_BYTES + within + bytes.length;
      const slot = this.#slots.get(block);
      if (slot !== undefined && slot !== ZEROS) {
        // Grown first: whatever a write that fails leaves behind is then not beyond the end.
        this.#growTo(end);
        yield* writeBytes(this.#top, bytes, slot * BLOCK_BYTES + within);
      } else {
        yield* this.#writeNewBlock(block, bytes, within);
        this.#growTo(end);
      }
    }
  }

  #growTo(sizeBytes: number): void {
    this.#sizeBytes = Math.max(this.#sizeBytes, sizeBytes);
  }

  /** A block's first write: what it does not cover comes along. */
  *#writeNewBlock(block: number, src: Uint8Array, within: number): Step<void> {
    let content = src;
    if (src.length < BLOCK_BYTES) {
      content = new Uint8Array(BLOCK_BYTES);
      if (!this.#slots.has(block)) yield* this.#readBase(content, block * BLOCK_BYTES);
      content.set(src, within);
    }
    const slot = this.#freeSlots.pop() ?? this.#slotCount++;
    try {
      yield* writeBytes(this.#top, content, slot * BLOCK_BYTES);
    } catch (error) {
      this.#freeSlots.push(slot);
      throw error;
    }
    this.#slots.set(block, slot);
  }

  flushSync(): void {
    this.#changeSync(() => flushStorage(this.#top));
  }

  flush(): Promise<void> {
    return this.#change(() => flushStorage(this.#top));
  }

  truncateSync(sizeBytes: number): void {
    this.#changeSync(() => this.#truncateStep(sizeBytes));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#change(() => this.#truncateStep(sizeBytes));
  }

  *#truncateStep(sizeBytes: number): Step<void> {
    if (sizeBytes < this.#sizeBytes) {
      const cut = alignDown(sizeBytes + BLOCK_BYTES - 1, BLOCK_BYTES);
      yield* this.#zeroWritten(sizeBytes, Math.min(cut, this.#sizeBytes) - sizeBytes);
      for (const [block, slot] of this.#slots) {
        if (block * BLOCK_BYTES < sizeBytes) continue;
        this.#slots.delete(block);
        this.#retire(slot);
      }
      this.#baseEnd = Math.min(this.#baseEnd, sizeBytes);
    }
    this.#sizeBytes = sizeBytes;
  }

  /** Clears part of one block if that block has been written. */
  *#zeroWritten(offset: number, lengthBytes: number): Step<void> {
    const slot = this.#slots.get(Math.floor(offset / BLOCK_BYTES));
    if (slot === undefined || slot === ZEROS || lengthBytes === 0) return;
    const zeros = new Uint8Array(lengthBytes);
    yield* writeBytes(this.#top, zeros, slot * BLOCK_BYTES + (offset % BLOCK_BYTES));
  }

  punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.#changeSync(() => this.#punchStep(offset, lengthBytes));
    return true;
  }

  async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    await this.#change(() => this.#punchStep(offset, lengthBytes));
    return true;
  }

  *#punchStep(offset: number, lengthBytes: number): Step<void> {
    const end = Math.min(offset + lengthBytes, this.#sizeBytes);
    for (let at = offset; at < end;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const stop = Math.min(end, (block + 1) * BLOCK_BYTES);
      const isWhole = at === block * BLOCK_BYTES && stop === at + BLOCK_BYTES;
      if (isWhole) this.#forget(block);
      else yield* this.#writeStep(new Uint8Array(stop - at), at);
      at = stop;
    }
  }

  #forget(block: number): void {
    this.#retire(this.#slots.get(block));
    this.#slots.set(block, ZEROS);
  }

  #retire(slot: number | undefined): void {
    if (slot === undefined || slot === ZEROS) return;
    (this.#readsPending > 0 ? this.#retiredSlots : this.#freeSlots).push(slot);
  }

  /** Nothing can be reserved: how much of the top will be needed is not known. */
  allocateSync(): boolean {
    return false;
  }

  async allocate(): Promise<boolean> {
    return false;
  }

  #changeSync(makeStep: () => Step<void>): void {
    if (this.#writesPending > 0) {
      throw new DiskError(
        'busy',
        'storage.async-write-pending',
        `An asynchronous write to ${this.name} is under way`,
        { op: 'write', path: this.name, layer: 'storage', hint: 'Await it first.' },
      );
    }
    runSync(makeStep());
  }

  #change(makeStep: () => Step<void>): Promise<void> {
    this.#writesPending += 1;
    const done = this.#lastWrite
      .then(() => runAsync(makeStep()))
      .finally(() => {
        this.#writesPending -= 1;
      });
    // The next write waits for this one, whether it succeeds or not.
    this.#lastWrite = done.catch(() => {});
    return done;
  }

  closeSync(): void {
    try {
      this.#top.closeSync();
    } finally {
      this.#base.closeSync();
    }
  }

  async close(): Promise<void> {
    await this.#lastWrite;
    try {
      await this.#top.close();
    } finally {
      await this.#base.close();
    }
  }
}

/** A run of bytes cut at the bounds of blocks. */
function* blocks(
  bytes: Uint8Array,
  offset: number,
): Generator<{ block: number; within: number; bytes: Uint8Array }> {
  for (let done = 0; done < bytes.length;) {
    const block = Math.floor((offset + done) / BLOCK_BYTES);
    const within = offset + done - block * BLOCK_BYTES;
    const end = Math.min(bytes.length, done + BLOCK_BYTES - within);
    yield { block, within, bytes: bytes.subarray(done, end) };
    done = end;
  }
}

function* placed(
  buffers: readonly Uint8Array[],
  offset: number,
): Generator<{ buffer: Uint8Array; at: number }> {
  let at = offset;
  for (const buffer of buffers) {
    yield { buffer, at };
    at += buffer.length;
  }
}
