/** The block allocation table ([MS-VHDX] 2.5): payload blocks, and among them sector bitmaps. */
import { alignUp, bitField, clearBits, DiskError, divideUp } from '@diskfile/bytes';
import {
  BLOCK,
  type BlockTable,
  type Limits,
  type Step,
  type Storage,
  TablePages,
} from '@diskfile/core';
import type { VhdxMetadata } from './metadata.ts';
import { corrupt } from './refusals.ts';
import type { Region } from './regions.ts';
import { BITMAP_PRESENT, LOG_SECTOR_BYTES, MIB, PAYLOAD } from './structs.ts';

const ENTRY_BYTES = 8;
/** Bits of an entry's lower half below the offset. */
const STATE_BITS = 0xf_ffff;
const TWO_32 = 2 ** 32;
/** Sectors that one bitmap block tells of. */
const SECTORS_PER_BITMAP = 2 ** 23;

export class BlockAllocationTable implements BlockTable {
  readonly blockBytes: number;
  readonly storage: Storage;
  readonly metadata: VhdxMetadata;
  readonly region: Region;
  /** Payload blocks that share a sector bitmap. */
  readonly chunkRatio: number;
  readonly blockCount: number;
  /** Payload blocks that the table has entries for, those behind the end of the disk included. */
  readonly storedBlockCount: number;
  /** Bytes of the table that are in use. */
  readonly lengthBytes: number;
  protected readonly pages: TablePages;

  constructor(storage: Storage, metadata: VhdxMetadata, region: Region, limits: Limits) {
    const { blockBytes, logicalSectorBytes, sizeBytes, hasParent } = metadata;
    this.storage = storage;
    this.metadata = metadata;
    this.region = region;
    this.blockBytes = blockBytes;
    this.chunkRatio = (SECTORS_PER_BITMAP * logicalSectorBytes) / blockBytes;
    this.blockCount = divideUp(sizeBytes, blockBytes);
    const chunks = divideUp(this.blockCount, this.chunkRatio);
    const entries = hasParent
      ? chunks * (this.chunkRatio + 1)
      : this.blockCount + Math.max(0, chunks - 1);
    this.storedBlockCount = hasParent ? chunks * this.chunkRatio : this.blockCount;
    const lengthBytes = entries * ENTRY_BYTES;
    if (lengthBytes > region.lengthBytes || region.offset + lengthBytes > storage.sizeBytes) {
      throw corrupt(
        'vhdx.bat-size',
        `A table of ${region.lengthBytes} bytes is too small`,
        region.offset,
      );
    }
    if (lengthBytes > limits.maxStructureBytes * 16) {
      throw new DiskError('limit', 'vhdx.bat-limit', `The block table takes ${lengthBytes} bytes`, {
        offset: region.offset,
        hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
      });
    }
    // Whole sectors of the log, so that it can protect the last entry too.
    const pagesBytes = alignUp(lengthBytes, LOG_SECTOR_BYTES);
    const place = { hostOffset: region.offset, lengthBytes: pagesBytes };
    this.lengthBytes = lengthBytes;
    this.pages = new TablePages(storage, place, limits.metadataCacheBytes);
  }

  /** Which block the entry `index` of the table is for; undefined for that of a sector bitmap. */
  blockOfEntry(index: number): number | undefined {
    const inChunk = index % (this.chunkRatio + 1);
    const blockIndex = Math.floor(index / (this.chunkRatio + 1)) * this.chunkRatio + inChunk;
    return inChunk < this.chunkRatio ? blockIndex : undefined;
  }

  protected payloadAt(blockIndex: number): number {
    return (blockIndex + Math.floor(blockIndex / this.chunkRatio)) * ENTRY_BYTES;
  }

  /** Where the entry for the bitmap of a block's chunk is. */
  protected bitmapAt(blockIndex: number): number {
    const chunk = Math.floor(blockIndex / this.chunkRatio);
    return (chunk * (this.chunkRatio + 1) + this.chunkRatio) * ENTRY_BYTES;
  }

  find(blockIndex: number): number {
    return blockIndex < this.blockCount ? this.findStored(blockIndex) : BLOCK.none;
  }

  /** As {@link find}, also for a block behind the end of the disk that has an entry. */
  findStored(blockIndex: number): number {
    const at = this.payloadAt(blockIndex);
    const page = this.pages.find(at);
    if (page === undefined) return BLOCK.unknown;
    const inPage = this.pages.offsetInPage(at);
    const low = page.view.getUint32(inPage, true);
    const state = bitField(low, 0, 3);
    const { hasParent } = this.metadata;
    if (state === PAYLOAD.fullyPresent || (state === PAYLOAD.partiallyPresent && hasParent)) {
      return this.#placeOf(page.view.getUint32(inPage + 4, true), low, at);
    }
    if (state === PAYLOAD.notPresent) return BLOCK.none;
    if (state <= PAYLOAD.unmapped || state === PAYLOAD.unmappedBefore) return BLOCK.zero;
    throw corrupt(
      'vhdx.block-state',
      `Block ${blockIndex} has the state ${state}, which no block of this disk can have`,
      this.region.offset + at,
    );
  }

  /** No block begins here or further on. */
  protected get blocksEnd(): number {
    return this.storage.sizeBytes;
  }

  /** The offset counts MiB from bit 20 on, so the bits below it only have to be cleared. */
  #placeOf(high: number, low: number, at: number): number {
    const offset = high * TWO_32 + clearBits(low, STATE_BITS);
    if (offset >= this.blocksEnd) throw beyondFile(offset);
    if (offset >= MIB && offset <= Number.MAX_SAFE_INTEGER - this.blockBytes) return offset;
    throw corrupt('vhdx.block-place', 'A block lies where none can be', this.region.offset + at);
  }

  /** Whether only some sectors of a block are the disk's own; its entry is in memory. */
  isPartial(blockIndex: number): boolean {
    const at = this.payloadAt(blockIndex);
    const low = this.pages.find(at)!.view.getUint32(this.pages.offsetInPage(at), true);
    return bitField(low, 0, 3) === PAYLOAD.partiallyPresent;
  }

  *load(blockIndex: number): Step<void> {
    if (blockIndex < this.blockCount) yield* this.loadStored(blockIndex);
  }

  /** For {@link findStored}. */
  *loadStored(blockIndex: number): Step<void> {
    yield* this.pages.load(this.payloadAt(blockIndex));
  }

  /** Where the sector bitmap of a block's chunk begins; undefined when there is none. */
  *bitmapOffset(blockIndex: number): Step<number | undefined> {
    const at = this.bitmapAt(blockIndex);
    if (at >= this.lengthBytes) return undefined;
    const page = yield* this.pages.load(at);
    const inPage = this.pages.offsetInPage(at);
    const low = page.view.getUint32(inPage, true);
    if (bitField(low, 0, 3) !== BITMAP_PRESENT) return undefined;
    return this.#placeOf(page.view.getUint32(inPage + 4, true), low, at);
  }
}

function beyondFile(hostOffset: number): DiskError {
  const message = 'A block of the disk is not in the file; it may have been cut';
  return corrupt('vhdx.block-beyond-file', message, hostOffset);
}
