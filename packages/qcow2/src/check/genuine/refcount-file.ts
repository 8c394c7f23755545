/** The refcounts as the file has them, looked up and set one by one. */
import { clearBits, divideUp, maskBits, readU32be, writeU32be, writeU64be } from '@diskfile/bytes';
import {
  isWritable,
  punchHole,
  readBytes,
  type Step,
  type Storage,
  truncateStorage,
  writeBytes,
} from '@diskfile/core';
import { hex, hexPair } from '../../errors.ts';
import type { Qcow2Header } from '../../header/header.ts';
import { type RefcountWidth, refcountWidth } from '../../refcounts/refcount-width.ts';
import { clusterOffset } from '../../tables/l2-entry.ts';
import type { WorkBudget } from './work-budget.ts';

/** Of blocks that are kept in memory; and at least so many of them. */
const CACHED_BYTES = 16 * 1024 * 1024;
const CACHED_BLOCKS = 16;
/** Read as fast as one entry of a table is looked at. */
const BYTES_PER_UNIT = 64;

export class RefcountFile {
  readonly width: RefcountWidth;
  readonly clustersPerBlock: number;
  /** Where the table lies, and in how many clusters; both change when it is built anew. */
  tableOffset: number;
  tableClusters: number;
  readonly #storage: Storage;
  readonly #clusterBytes: number;
  readonly #budget: WorkBudget;
  readonly #blocks = new Map<number, Uint8Array>();
  #table: Uint8Array;

  private constructor(
    storage: Storage,
    header: Qcow2Header,
    table: Uint8Array,
    budget: WorkBudget,
  ) {
    this.#storage = storage;
    this.#budget = budget;
    this.#clusterBytes = header.clusterBytes;
    this.width = refcountWidth(header.refcountBits);
    this.clustersPerBlock = (header.clusterBytes * 8) / header.refcountBits;
    this.tableOffset = header.refcountTable.offset;
    this.tableClusters = header.refcountTable.clusters;
    this.#table = table;
  }

  static *read(storage: Storage, header: Qcow2Header, budget: WorkBudget): Step<RefcountFile> {
    const { offset, clusters } = header.refcountTable;
    const table = yield* readBytes(storage, offset, clusters * header.clusterBytes);
    return new RefcountFile(storage, header, table, budget);
  }

  /** Entries of the table. */
  get blocks(): number {
    return this.#table.length / 8;
  }

  /** Where a block lies; 0 for none. */
  blockOffset(index: number): number {
    if (index >= this.blocks) return 0;
    const at = index * 8;
    const low = readU32be(this.#table, at + 4);
    return clusterOffset(readU32be(this.#table, at) % 0x100_0000, low) + this.#highPart(at);
  }

  /** Offsets of blocks have all bits from 9 on, those of L2 entries end at 55. */
  #highPart(at: number): number {
    return maskBits(readU32be(this.#table, at), 0xff00_0000) * 0x1_0000_0000;
  }

  /** Whether an entry of the table has bits set that mean nothing. */
  hasReservedBits(index: number): boolean {
    return maskBits(readU32be(this.#table, index * 8 + 4), 0x1ff) !== 0;
  }

  /** Whether a block lies where no cluster begins; of a large offset, the lower half alone is exact. */
  isUnaligned(index: number): boolean {
    if (index >= this.blocks) return false;
    const low = clearBits(readU32be(this.#table, index * 8 + 4), 0x1ff);
    return low % this.#clusterBytes !== 0;
  }

  /** @returns undefined where the block that has it lies at no possible place */
  *get(clusterIndex: number): Step<number | undefined> {
    const index = Math.floor(clusterIndex / this.clustersPerBlock);
    const offset = this.blockOffset(index);
    if (offset === 0) return 0;
    if (this.isUnaligned(index)) return undefined;
    const block = yield* this.#block(offset);
    return this.width.get(block, clusterIndex % this.clustersPerBlock);
  }

  /** What QEMU says of the block that counts a cluster and lies at no possible place. */
  misplacedBlock(clusterIndex: number): string {
    const index = Math.floor(clusterIndex / this.clustersPerBlock);
    const low = clearBits(readU32be(this.#table, index * 8 + 4), 0x1ff);
    const place = hexPair(readU32be(this.#table, index * 8), low);
    const shown = index === 0 ? '0' : hex(index);
    return `Refblock offset ${place} unaligned (reftable index: ${shown})`;
  }

  /** Sets a count to 0, and gives the cluster back to the host. */
  *release(clusterIndex: number): Step<void> {
    yield* this.set(clusterIndex, 0);
    const hostOffset = clusterIndex * this.#clusterBytes;
    const end = Math.min(hostOffset + this.#clusterBytes, this.#storage.sizeBytes);
    if (!isWritable(this.#storage) || end <= hostOffset) return;
    yield* punchHole(this.#storage, hostOffset, end - hostOffset);
  }

  *set(clusterIndex: number, count: number): Step<void> {
    const index = Math.floor(clusterIndex / this.clustersPerBlock);
    const offset = this.blockOffset(index);
    const block = yield* this.#block(offset);
    const slot = clusterIndex % this.clustersPerBlock;
    this.width.set(block, slot, count);
    const at = Math.floor((slot * this.width.bits) / 8);
    const length = Math.max(1, this.width.bits / 8);
    yield* this.#write(block.subarray(at, at + length), offset + at);
  }

  *#block(offset: number): Step<Uint8Array> {
    const known = this.#blocks.get(offset);
    if (known !== undefined) return known;
    this.#budget.spend(this.#clusterBytes / BYTES_PER_UNIT);
    if (this.#blocks.size >= Math.max(CACHED_BLOCKS, CACHED_BYTES / this.#clusterBytes)) {
      this.#blocks.clear();
    }
    const block = yield* readBytes(this.#storage, offset, this.#clusterBytes);
    this.#blocks.set(offset, block);
    return block;
  }

  /** Writes a whole block, which the table need not know yet. */
  *writeBlock(offset: number, block: Uint8Array): Step<void> {
    this.#blocks.delete(offset);
    yield* this.#write(block, offset);
  }

  /** Writes a new table and uses it from now on; the header has to be told. */
  *replaceTable(tableOffset: number, blockOffsets: readonly number[]): Step<void> {
    const clusters = Math.max(1, divideUp(blockOffsets.length * 8, this.#clusterBytes));
    const table = new Uint8Array(clusters * this.#clusterBytes);
    for (const [index, offset] of blockOffsets.entries()) writeU64be(table, index * 8, offset);
    yield* this.#write(table, tableOffset);
    this.#table = table;
    this.tableOffset = tableOffset;
    this.tableClusters = clusters;
    this.#blocks.clear();
  }

  /** Makes the file long enough for a block. */
  *extendTo(sizeBytes: number): Step<void> {
    if (isWritable(this.#storage)) yield* truncateStorage(this.#storage, sizeBytes);
  }

  *#write(bytes: Uint8Array, offset: number): Step<void> {
    if (!isWritable(this.#storage)) throw new Error('assertion failed: the storage is writable');
    yield* writeBytes(this.#storage, bytes, offset);
  }

  /** For the header: offset of the table and its clusters. */
  encodePlace(): Uint8Array {
    const bytes = new Uint8Array(12);
    writeU64be(bytes, 0, this.tableOffset);
    writeU32be(bytes, 8, this.tableClusters);
    return bytes;
  }
}
