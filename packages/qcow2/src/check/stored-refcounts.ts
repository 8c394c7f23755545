/** The refcounts as the file has them, however damaged their table is. */
import { bitField, clearBits, isAllZero, maskBits, readU16be, readU32be } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import { type RefcountWidth, refcountWidth } from '../refcounts/refcount-width.ts';
import { TableReader } from './table-reader.ts';
import { tooLarge } from './too-large.ts';

const ENTRY_BYTES = 8;
const TWO_32 = 0x1_0000_0000;
/** Bits 0 to 8 of an entry are reserved. */
const RESERVED_BITS = 0x1ff;

/** Where offsets of files end: 64 bits with a sign, in steps of 1 GiB. */
const MAX_FILE_BYTES = 2 ** 63 - 2 ** 30;

/** For each of the clusters that a block counts 1 when the refcount is exactly one, else 0. */
type SoleUses = Uint8Array;
/** Refcounts that are decoded at a time. */
export const DECODED_AT_ONCE = 4096;
const NONE: SoleUses = new Uint8Array(0);

export class StoredRefcounts {
  readonly width: RefcountWidth;
  readonly clustersPerBlock: number;
  /** Entries of the refcount table. */
  readonly capacity: number;
  readonly tableOffset: number;
  readonly #storage: Storage;
  readonly #clusterBytes: number;
  readonly #table: DataView;
  readonly #maxBytes: number;
  /** `clustersPerBlock` is two to the power of this. */
  readonly #blockBits: number;
  /** Clusters that the table has room for, as far as a file can have them. */
  readonly #coveredClusters: number;
  /** By the index of the block; NONE where all counts are zero. */
  #soleUses: SoleUses[] = [];

  constructor(storage: Storage, header: Qcow2Header, table: Uint8Array, limits: Limits) {
    this.#storage = storage;
    this.#clusterBytes = header.clusterBytes;
    this.#maxBytes = limits.maxStructureBytes;
    this.#table = new DataView(table.buffer, table.byteOffset, table.length);
    this.tableOffset = header.refcountTable.offset;
    this.capacity = table.length / ENTRY_BYTES;
    this.width = refcountWidth(header.refcountBits);
    this.clustersPerBlock = (header.clusterBytes * 8) / header.refcountBits;
    this.#blockBits = Math.log2(this.clustersPerBlock);
    this.#coveredClusters = Math.min(this.capacity * this.clustersPerBlock, TWO_32);
  }

  /** The header has bounded the length of the table. */
  static *read(storage: Storage, header: Qcow2Header, limits: Limits): Step<StoredRefcounts> {
    const { offset, clusters } = header.refcountTable;
    const table = yield* readBytes(storage, offset, clusters * header.clusterBytes);
    return new StoredRefcounts(storage, header, table, limits);
  }

  /** Host offset of a block, wherever that may be; 0 for none. Exact below 2^53. */
  blockOffset(index: number): number {
    if (index >= this.capacity) return 0;
    const at = index * ENTRY_BYTES;
    const low = this.#table.getUint32(at + 4);
    return this.#table.getUint32(at) * TWO_32 + clearBits(low, RESERVED_BITS);
  }

  hasReservedBits(index: number): boolean {
    return maskBits(this.#table.getUint32(index * ENTRY_BYTES + 4), RESERVED_BITS) !== 0;
  }

  /** Whether a block lies where none can begin; of a large offset, the lower half alone is exact. */
  isUnaligned(index: number): boolean {
    if (index >= this.capacity) return false;
    const low = clearBits(this.#table.getUint32(index * ENTRY_BYTES + 4), RESERVED_BITS);
    return low % this.#clusterBytes !== 0;
  }

  /** Whether the counts of a block cannot be known. Beyond the end of the file they are zero. */
  isUnreadable(index: number): boolean {
    const end = this.blockOffset(index) + this.#clusterBytes;
    return this.isUnaligned(index) || end > MAX_FILE_BYTES;
  }

  /** Fills `counts` from a slot on. Not exact above 2^53, where damage alone can put a refcount. */
  decode(block: Uint8Array, slot: number, counts: Float64Array): void {
    const { bits } = this.width;
    if (bits === 16) {
      for (let each = 0; each < counts.length; each++) {
        counts[each] = readU16be(block, (slot + each) * 2);
      }
    } else if (bits === 64) {
      for (let each = 0; each < counts.length; each++) {
        const at = (slot + each) * 8;
        counts[each] = readU32be(block, at) * TWO_32 + readU32be(block, at + 4);
      }
    } else {
      for (let each = 0; each < counts.length; each++) {
        counts[each] = this.width.get(block, slot + each);
      }
    }
  }

  /** Whether there is a block that can be read and may hold anything but zeros. */
  #isPresent(index: number): boolean {
    const offset = this.blockOffset(index);
    return offset !== 0 && offset < this.#storage.sizeBytes && !this.isUnaligned(index);
  }

  /** Indexes of the blocks before `end` that can be read and may hold anything but zeros. */
  presentBlocks(end: number): number[] {
    const indexes: number[] = [];
    for (let index = 0; index < Math.min(end, this.capacity); index++) {
      if (this.#isPresent(index)) indexes.push(index);
    }
    return indexes;
  }

  /** Visits blocks one after another. A block is valid during its visit only. */
  *eachBlock(
    indexes: readonly number[],
    visit: (block: Uint8Array, index: number) => void,
  ): Step<void> {
    const offsets = indexes.map((index) => this.blockOffset(index));
    yield* new TableReader(this.#storage, this.#clusterBytes).each(
      offsets,
      (view, at) => {
        visit(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), indexes[at]!);
      },
      function* () {},
    );
  }

  /**
   * Notes which refcounts are exactly one, for {@link isOne}. A block that several entries name is
   * looked at once.
   * @throws DiskError `limit`
   */
  *noteSoleUses(): Step<void> {
    const byOffset = new Map<number, SoleUses>();
    const present = this.presentBlocks(this.capacity);
    const firsts: number[] = [];
    for (const index of present) {
      const offset = this.blockOffset(index);
      if (!byOffset.has(offset)) firsts.push(index);
      byOffset.set(offset, NONE);
    }
    let bytes = 0;
    yield* this.eachBlock(firsts, (block, index) => {
      const found = this.#findSoleUses(block);
      bytes += found.length;
      if (bytes > this.#maxBytes) throw tooLarge('refcount blocks', this.tableOffset);
      byOffset.set(this.blockOffset(index), found);
    });
    this.#soleUses = Array.from({ length: this.capacity }, () => NONE);
    for (const index of present) this.#soleUses[index] = byOffset.get(this.blockOffset(index))!;
  }

  #findSoleUses(block: Uint8Array): SoleUses {
    const { clustersPerBlock } = this;
    const counts = new Float64Array(Math.min(DECODED_AT_ONCE, clustersPerBlock));
    let found = NONE;
    const partBytes = (counts.length * this.width.bits) / 8;
    for (let slot = 0; slot < clustersPerBlock; slot += counts.length) {
      const partStart = (slot * this.width.bits) / 8;
      if (isAllZero(block.subarray(partStart, partStart + partBytes))) continue;
      this.decode(block, slot, counts);
      for (let each = 0; each < counts.length; each++) {
        if (counts[each] !== 1) continue;
        if (found === NONE) found = new Uint8Array(clustersPerBlock);
        found[slot + each] = 1;
      }
    }
    return found;
  }

  /** Whether the stored refcounts of a run are known and all one, or all not one. */
  areAll(clusterIndex: number, clusters: number, one: boolean): boolean {
    const slot = bitField(clusterIndex, 0, this.#blockBits);
    const isWithinBlock =
      clusterIndex < this.#coveredClusters && slot + clusters <= this.clustersPerBlock;
    const index = bitField(clusterIndex, this.#blockBits, 32 - this.#blockBits);
    const soleUses = isWithinBlock ? this.#soleUses[index]! : NONE;
    if (soleUses === NONE) return false;
    const wanted = one ? 1 : 0;
    for (let each = slot; each < slot + clusters; each++) {
      if (soleUses[each] !== wanted) return false;
    }
    return true;
  }

  /** Whether the stored refcount of a cluster is exactly one; undefined where it is unknown. */
  isOne(clusterIndex: number): boolean | undefined {
    if (clusterIndex >= this.#coveredClusters) return false;
    const index = bitField(clusterIndex, this.#blockBits, 32 - this.#blockBits);
    const soleUses = this.#soleUses[index]!;
    if (soleUses !== NONE) return soleUses[bitField(clusterIndex, 0, this.#blockBits)] === 1;
    return this.isUnreadable(index) ? undefined : false;
  }
}
