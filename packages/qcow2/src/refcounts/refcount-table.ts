/** The refcount table: where the refcount blocks lie (specification, "Host cluster management"). */
import { clearBits, isAllZero, readU32be, writeU64be } from '@diskfile/bytes';
import { DirtyRange, readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, hexPair } from '../errors.ts';

const ENTRY_BYTES = 8;
const TWO_32 = 0x1_0000_0000;
/** Bits 0 to 8 of an entry are reserved. */
const RESERVED_BITS = 0x1ff;

export class RefcountTable {
  readonly dirty = new DirtyRange();
  #hostOffset: number;
  #bytes: Uint8Array;
  /** Set while the header still names an older table. */
  #moved = false;

  constructor(hostOffset: number, bytes: Uint8Array) {
    this.#hostOffset = hostOffset;
    this.#bytes = bytes;
  }

  /** The caller has bounded the length. */
  static *read(storage: Storage, hostOffset: number, lengthBytes: number): Step<RefcountTable> {
    return new RefcountTable(hostOffset, yield* readBytes(storage, hostOffset, lengthBytes));
  }

  get hostOffset(): number {
    return this.#hostOffset;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get isMoved(): boolean {
    return this.#moved;
  }

  /** Blocks that the table has room for. */
  get capacity(): number {
    return this.#bytes.length / ENTRY_BYTES;
  }

  /**
   * An index at and behind which no entry is set. New tables have room for thousands of blocks of
   * which a small image has one: to walk up to here instead spares opening most of its time.
   */
  get usedCapacity(): number {
    let end = this.capacity;
    for (;;) {
      const half = Math.floor(end / 2);
      const upper = this.#bytes.subarray(half * ENTRY_BYTES, end * ENTRY_BYTES);
      if (half === 0 || !isAllZero(upper)) return end;
      end = half;
    }
  }

  /**
   * Host offset of a block; 0 where there is none, and all its clusters are free.
   * @throws DiskError `corrupt` for an offset at which no block can lie
   */
  blockOffset(index: number, clusterBytes: number): number {
    const offset = this.possibleOffset(index, clusterBytes);
    if (offset !== undefined) return offset;
    const at = index * ENTRY_BYTES;
    const low = clearBits(readU32be(this.#bytes, at + 4), RESERVED_BITS);
    throw corrupt(
      'qcow2.refcount-block-offset',
      `Refcount table entry ${index} places its block at ${hexPair(readU32be(this.#bytes, at), low)}, where none can begin`,
      { offset: this.#hostOffset + at },
    );
  }

  /** As {@link blockOffset}; undefined where no block can lie. */
  possibleOffset(index: number, clusterBytes: number): number | undefined {
    if (index >= this.capacity) return 0;
    const at = index * ENTRY_BYTES;
    const low = readU32be(this.#bytes, at + 4);
    const offset = readU32be(this.#bytes, at) * TWO_32 + clearBits(low, RESERVED_BITS);
    const isPossible =
      offset % clusterBytes === 0 && offset + clusterBytes <= Number.MAX_SAFE_INTEGER;
    return isPossible ? offset : undefined;
  }

  /** Where an entry places its block, if a cluster begins there that no file reaches. */
  unreachablePlace(
    index: number,
    clusterBytes: number,
  ): { readonly text: string; readonly roughly: number } | undefined {
    const at = index * ENTRY_BYTES;
    const high = readU32be(this.#bytes, at);
    const low = clearBits(readU32be(this.#bytes, at + 4), RESERVED_BITS);
    const roughly = high * TWO_32 + low;
    if (low % clusterBytes !== 0 || roughly + clusterBytes <= Number.MAX_SAFE_INTEGER) {
      return undefined;
    }
    return { text: hexPair(high, low), roughly };
  }

  setBlockOffset(index: number, hostOffset: number): void {
    const at = index * ENTRY_BYTES;
    writeU64be(this.#bytes, at, hostOffset);
    this.dirty.add(at, at + ENTRY_BYTES, this.#bytes.length);
  }

  /**
   * Goes on at another place, with another length that holds all entries which name a block; the
   * header follows with the next flush.
   */
  moveTo(hostOffset: number, lengthBytes: number): void {
    const bytes = new Uint8Array(lengthBytes);
    bytes.set(this.#bytes.subarray(0, lengthBytes));
    this.#bytes = bytes;
    this.#hostOffset = hostOffset;
    this.#moved = true;
    this.dirty.add(0, lengthBytes, lengthBytes);
  }

  /** Goes on as another table, which the file holds and the header names. */
  replace(hostOffset: number, bytes: Uint8Array): void {
    this.#hostOffset = hostOffset;
    this.#bytes = bytes;
    this.#moved = false;
    this.dirty.clear();
  }

  /** The header names this table now. */
  headerSwitched(): void {
    this.#moved = false;
  }
}
