/** A storage whose sectors are encrypted in another one, at the same places. */
import { alignDown, alignUp } from '@diskfile/bytes';
import type { HostRange, Storage, WritableStorage } from '@diskfile/core';
import { SECTOR_BYTES, type SectorCipher } from './sector-cipher.ts';

export interface CipherStorageOptions {
  readonly cipher: SectorCipher;
  /** Added to an offset before it is counted in sectors: what sector number a place has. */
  readonly keyOffset: number;
}

/**
 * Reads and writes through a cipher. Closing and flushing are the other storage's. Zeros of the host
 * are no zeros here, so there are no holes and none can be made.
 */
export class CipherStorage implements WritableStorage {
  readonly #storage: Storage;
  readonly #cipher: SectorCipher;
  readonly #keyOffset: number;

  /** @param storage a {@link WritableStorage} where it is to be written */
  constructor(storage: Storage, { cipher, keyOffset }: CipherStorageOptions) {
    this.#storage = storage;
    this.#cipher = cipher;
    this.#keyOffset = keyOffset;
  }

  get name(): string {
    return this.#storage.name;
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  get synchronous(): boolean {
    return this.#storage.synchronous;
  }

  get identity(): string | undefined {
    return this.#storage.identity;
  }

  get requestAlignment(): number {
    return Math.max(SECTOR_BYTES, this.#storage.requestAlignment);
  }

  get startOffset(): number {
    return this.#storage.startOffset ?? 0;
  }

  allocatedBytes(): number {
    return this.#storage.allocatedBytes();
  }

  hostRangeSync(_offset: number, lengthBytes: number): HostRange {
    return { data: true, lengthBytes };
  }

  readSync(dst: Uint8Array, offset: number): void {
    const whole = new WholeSectors(dst, offset);
    this.#storage.readSync(whole.bytes, whole.offset);
    this.#deliver(whole, dst);
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    const whole = new WholeSectors(dst, offset);
    await this.#storage.read(whole.bytes, whole.offset);
    this.#deliver(whole, dst);
  }

  #deliver(whole: WholeSectors, dst: Uint8Array): void {
    this.#cipher.decrypt(whole.bytes, this.#sectorAt(whole.offset));
    if (whole.bytes !== dst) dst.set(whole.own);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    const joined = joinedLength(buffers);
    this.readSync(joined, offset);
    spread(joined, buffers);
  }

  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    const joined = joinedLength(buffers);
    await this.read(joined, offset);
    spread(joined, buffers);
  }

  writeSync(src: Uint8Array, offset: number): void {
    const whole = new WholeSectors(new Uint8Array(src.length), offset);
    if (whole.isPart) this.readSync(whole.bytes, whole.offset);
    this.#writable.writeSync(this.#encrypted(whole, src), whole.offset);
  }

  async write(src: Uint8Array, offset: number): Promise<void> {
    const whole = new WholeSectors(new Uint8Array(src.length), offset);
    if (whole.isPart) await this.read(whole.bytes, whole.offset);
    await this.#writable.write(this.#encrypted(whole, src), whole.offset);
  }

  #encrypted(whole: WholeSectors, src: Uint8Array): Uint8Array {
    whole.own.set(src);
    this.#cipher.encrypt(whole.bytes, this.#sectorAt(whole.offset));
    return whole.bytes;
  }

  #sectorAt(offset: number): number {
    return (offset + this.#keyOffset) / SECTOR_BYTES;
  }

  get #writable(): WritableStorage {
    return this.#storage as WritableStorage;
  }

  flushSync(): void {
    this.#writable.flushSync();
  }

  flush(): Promise<void> {
    return this.#writable.flush();
  }

  truncateSync(sizeBytes: number): void {
    this.#writable.truncateSync(sizeBytes);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#writable.truncate(sizeBytes);
  }

  punchHoleSync(): boolean {
    return false;
  }

  async punchHole(): Promise<boolean> {
    return false;
  }

  allocateSync(offset: number, lengthBytes: number): boolean {
    return this.#writable.allocateSync(offset, lengthBytes);
  }

  allocate(offset: number, lengthBytes: number): Promise<boolean> {
    return this.#writable.allocate(offset, lengthBytes);
  }

  closeSync(): void {
    this.#storage.closeSync();
  }

  close(): Promise<void> {
    return this.#storage.close();
  }
}

/** The sectors that a range touches: the range itself where it is made of whole ones. */
class WholeSectors {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly isPart: boolean;
  readonly #from: number;
  readonly #lengthBytes: number;

  constructor(range: Uint8Array, offset: number) {
    this.offset = alignDown(offset, SECTOR_BYTES);
    const end = alignUp(offset + range.length, SECTOR_BYTES);
    this.isPart = end - this.offset !== range.length;
    this.bytes = this.isPart ? new Uint8Array(end - this.offset) : range;
    this.#from = offset - this.offset;
    this.#lengthBytes = range.length;
  }

  /** The part of them that is the range. */
  get own(): Uint8Array {
    return this.bytes.subarray(this.#from, this.#from + this.#lengthBytes);
  }
}

function joinedLength(buffers: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(buffers.reduce((sum, { length }) => sum + length, 0));
}

function spread(joined: Uint8Array, buffers: readonly Uint8Array[]): void {
  let at = 0;
  for (const buffer of buffers) {
    buffer.set(joined.subarray(at, at + buffer.length));
    at += buffer.length;
  }
}
