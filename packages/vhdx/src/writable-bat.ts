/** The block allocation table of a disk that is written. New blocks lie behind all that is there. */
import { countUpTo, DiskError } from '@diskfile/bytes';
import {
  AppendSpace,
  BLOCK,
  flushStorage,
  type Limits,
  type Step,
  truncateStorage,
  type WritableBlockTable,
  type WritableStorage,
} from '@diskfile/core';
import { BlockAllocationTable } from './bat.ts';
import type { LogWriter } from './log-writer.ts';
import type { VhdxMetadata } from './metadata.ts';
import { corrupt } from './refusals.ts';
import type { Region } from './regions.ts';
import { LOG_SECTOR_BYTES, MIB, PAYLOAD } from './structs.ts';

const TWO_32 = 2 ** 32;
/** Bytes of changed table pages at which they are written early. */
const MAX_DIRTY_BYTES = 8 * MIB;

export interface BatWritingParts {
  readonly metadata: VhdxMetadata;
  readonly region: Region;
  readonly log: LogWriter;
  /** Behind all blocks, regions and the log. */
  readonly usedEnd: number;
}

export class WritableBat extends BlockAllocationTable {
  declare readonly storage: WritableStorage;
  readonly #log: LogWriter;
  readonly #space: AppendSpace;

  constructor(
    storage: WritableStorage,
    { metadata, region, log, usedEnd }: BatWritingParts,
    limits: Limits,
  ) {
    super(storage, metadata, region, limits);
    this.#log = log;
    this.#space = new AppendSpace(storage, usedEnd, MIB);
  }

  /** What is set aside is part of the file, although nothing may have been written there yet. */
  protected override get blocksEnd(): number {
    return Math.max(this.storage.sizeBytes, this.#space.end);
  }

  *reserve(count: number): Step<number> {
    if (this.pages.dirtyBytes > MAX_DIRTY_BYTES) yield* this.flush();
    const lengthBytes = count * this.blockBytes;
    if (this.#space.end + lengthBytes > Number.MAX_SAFE_INTEGER) throw fileTooLarge();
    yield* this.#space.cutFile();
    return this.#space.reserve(lengthBytes);
  }

  *unreserve(hostOffset: number, count: number): Step<void> {
    yield* this.#space.unreserve(hostOffset, count * this.blockBytes);
  }

  link(blockIndex: number, hostOffset: number): void {
    const at = this.payloadAt(blockIndex);
    const page = this.pages.find(at);
    if (page === undefined) throw new Error('assertion failed: linking in a page that is gone');
    const inPage = this.pages.offsetInPage(at);
    page.view.setUint32(inPage, (hostOffset % TWO_32) + PAYLOAD.fullyPresent, true);
    page.view.setUint32(inPage + 4, Math.floor(hostOffset / TWO_32), true);
    this.pages.markDirty(page, inPage, inPage + 8);
  }

  /** Data first; then the table, by way of the log. */
  *flush(): Step<void> {
    // A block has to be in the file to its end before the table names it.
    const { end } = this.#space;
    if (this.pages.isDirty && this.storage.sizeBytes < end) {
      yield* truncateStorage(this.storage, end);
    }
    yield* flushStorage(this.storage);
    if (!this.pages.isDirty) return;
    yield* this.#log.write([...this.pages.changedPieces(LOG_SECTOR_BYTES)]);
    this.pages.markClean();
  }

  *close(): Step<void> {
    yield* this.#log.end();
  }
}

/** What the engine writes through: blocks that are there in part are replaced as a whole. */
export class WholeBlocks implements WritableBlockTable {
  readonly blockBytes: number;
  readonly storage: WritableStorage;
  readonly maxReservation = Infinity;
  readonly #bat: WritableBat;
  readonly #log: LogWriter;

  constructor(bat: WritableBat, log: LogWriter) {
    this.blockBytes = bat.blockBytes;
    this.storage = bat.storage;
    this.#bat = bat;
    this.#log = log;
  }

  find(blockIndex: number): number {
    const place = this.#bat.find(blockIndex);
    return place >= 0 && this.#bat.isPartial(blockIndex) ? BLOCK.none : place;
  }

  load(blockIndex: number): Step<void> {
    return this.#bat.load(blockIndex);
  }

  reserve(count: number): Step<number> {
    return this.#bat.reserve(count);
  }

  unreserve(hostOffset: number, count: number): Step<void> {
    return this.#bat.unreserve(hostOffset, count);
  }

  link(blockIndex: number, hostOffset: number): void {
    this.#bat.link(blockIndex, hostOffset);
  }

  /** The header tells other disks that were made over this one that it has changed. */
  *flush(): Step<void> {
    yield* this.#log.begin();
    yield* this.#bat.flush();
  }

  close(): Step<void> {
    return this.#bat.close();
  }
}

/**
 * Behind the last block.
 * @throws DiskError `corrupt` where blocks overlap each other or what else is in the file, or are
 *   not in it to their ends
 */
export function* findUsedEnd(bat: BlockAllocationTable, regions: readonly Region[]): Step<number> {
  const starts: number[] = [];
  const { blockBytes, blockCount, metadata, storage } = bat;
  for (let index = 0; index < bat.storedBlockCount; index++) {
    if (bat.findStored(index) === BLOCK.unknown) yield* bat.loadStored(index);
    const place = bat.findStored(index);
    if (place < 0) continue;
    // What the last block has beyond the end of the disk need not be there.
    const lengthBytes =
      index === blockCount - 1 ? metadata.sizeBytes - index * blockBytes : blockBytes;
    if (place + lengthBytes > storage.sizeBytes) throw fileCut(index, storage.sizeBytes);
    starts.push(place);
  }
  const blocks = Float64Array.from(starts).toSorted();
  refuseNeighbours(blocks, blockBytes);
  const bitmaps = yield* bitmapPlaces(bat);
  refuseNeighbours(bitmaps, MIB);
  let end = 0;
  if (blocks.length > 0) end = blocks.at(-1)! + blockBytes;
  if (bitmaps.length > 0) end = Math.max(end, bitmaps.at(-1)! + MIB);
  for (const start of bitmaps) refuseWithin(blocks, blockBytes, start, MIB);
  for (const { offset, lengthBytes } of regions) {
    refuseWithin(blocks, blockBytes, offset, lengthBytes);
    refuseWithin(bitmaps, MIB, offset, lengthBytes);
    end = Math.max(end, offset + lengthBytes);
  }
  return end;
}

/** Where sector bitmaps are, in order. Those of a disk without a parent say nothing, but are there. */
function* bitmapPlaces(bat: BlockAllocationTable): Step<Float64Array> {
  const places: number[] = [];
  for (let index = 0; index < bat.blockCount; index += bat.chunkRatio) {
    const place = yield* bat.bitmapOffset(index);
    if (place === undefined) continue;
    if (place + MIB > bat.storage.sizeBytes) throw fileCut(index, bat.storage.sizeBytes);
    places.push(place);
  }
  return Float64Array.from(places).toSorted();
}

/** @param starts in order, of pieces of that length */
function refuseNeighbours(starts: Float64Array, lengthBytes: number): void {
  for (let index = 1; index < starts.length; index++) {
    if (starts[index]! < starts[index - 1]! + lengthBytes) throw overlap(starts[index]!);
  }
}

/** Refuses bytes that any of some pieces, given as for {@link refuseNeighbours}, lies in. */
function refuseWithin(
  starts: Float64Array,
  pieceBytes: number,
  offset: number,
  lengthBytes: number,
): void {
  const next = starts[countUpTo(starts, offset - pieceBytes)];
  if (next !== undefined && next < offset + lengthBytes) throw overlap(offset);
}

function overlap(hostOffset: number): DiskError {
  return corrupt('vhdx.overlap', 'A block lies where something else is', hostOffset);
}

function fileCut(blockIndex: number, fileBytes: number): DiskError {
  const message = `Block ${blockIndex} goes on beyond the end of the file; it may have been cut`;
  return corrupt('vhdx.file-cut', message, fileBytes);
}

function fileTooLarge(): DiskError {
  return new DiskError('limit', 'vhdx.file-too-large', 'The file has reached its largest size');
}
