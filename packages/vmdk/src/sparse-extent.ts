/** Sparse extents of hosted products (KDMV) and of ESX Server (COWD). */
import { DiskError, hasAnyBit, readU32le } from '@diskfile/bytes';
import {
  type Decoder,
  type DecoderSet,
  during,
  type Extent,
  type Limits,
  lookupBlocks,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { GrainPlaces } from './grain-places.ts';
import { type GrainGeometry, GrainTables, tableBeyondFile, tableCount } from './grain-tables.ts';
import { corrupt, unsupported } from './refusals.ts';
import {
  AT_END,
  COMPRESSION,
  COWD_MAGIC,
  COWD_TABLE_ENTRIES,
  cowdHeader,
  FLAG,
  GRAIN_MARKER_BYTES,
  longestStream,
  SECTOR_BYTES,
  SPARSE_MAGIC,
  sparseExtentHeader,
  ZLIB_HEADER_BYTES,
} from './structs.ts';

const MAX_GRAIN_BYTES = 32 * 1024 * 1024;
/** Those are decoded whole, several at a time; writers make them of 64 KiB. */
const MAX_COMPRESSED_GRAIN_BYTES = 4 * 1024 * 1024;
/** QEMU's bound. */
const MAX_TABLES = 32n * 1024n * 1024n;
/** All writers make tables of as many. */
const MAX_TABLE_ENTRIES = 512;
/** The footer lies before the end-of-stream marker. */
const FOOTER_FROM_END = 1024;

export interface SparseHeader extends GrainGeometry {
  /** Second directory; 0 for none. */
  readonly redundantOffset: number;
  readonly compressed: boolean;
  /** What precedes the data of a compressed grain. */
  readonly markerBytes: number;
  /** Behind all that is not grains. */
  readonly overheadBytes: number;
  readonly descriptor: { readonly offset: number; readonly lengthBytes: number } | undefined;
  readonly uncleanShutdown: boolean;
  readonly version: number;
  /** Whether ESX Server made it, which sets tables aside only when it needs them. */
  readonly isEsx: boolean;
  /** Whether a footer tells where the directory is: the file ends there and cannot go on. */
  readonly hasFooter: boolean;
  /** Whether the file has no room for grains: it is there for its descriptor, which names others. */
  readonly isDescriptorOnly: boolean;
}

export function* readSparseHeader(storage: Storage): Step<SparseHeader> {
  const bytes = yield* readBytes(storage, 0, SECTOR_BYTES);
  if (readU32le(bytes, 0) === COWD_MAGIC) return parseCowd(bytes);
  if (readU32le(bytes, 0) !== SPARSE_MAGIC) {
    throw corrupt('vmdk.sparse-magic', 'The file is no sparse extent of a VMDK disk', 0);
  }
  const header = parseSparse(bytes);
  if (header.overheadBytes > storage.sizeBytes) {
    throw corrupt(
      'vmdk.truncated',
      `The file has ${storage.sizeBytes} bytes, and its tables alone take ${header.overheadBytes}`,
      storage.sizeBytes,
    );
  }
  if (header.directoryOffset !== 0 || header.isDescriptorOnly) return header;
  // The header was written before the directory had a place; the footer was written last.
  const footerOffset = storage.sizeBytes - FOOTER_FROM_END;
  if (footerOffset < SECTOR_BYTES) throw noFooter(footerOffset);
  const footer = yield* readBytes(storage, footerOffset, SECTOR_BYTES);
  if (readU32le(footer, 0) !== SPARSE_MAGIC) throw noFooter(footerOffset);
  const last = parseSparse(footer);
  if (last.directoryOffset === 0) throw noFooter(footerOffset);
  return { ...last, descriptor: header.descriptor, hasFooter: true };
}

function noFooter(offset: number): DiskError {
  return corrupt(
    'vmdk.no-footer',
    'The stream has no footer: it was cut, or is still being written',
    offset,
  );
}

/**
 * A capacity that no offset can express, as QEMU sees it: the directory of such a disk is too large, unless
 * the sum with which it rounds up goes over 64 bits.
 */
function refuseHugeDirectory(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (field: Parameters<typeof sparseExtentHeader.offsetOf>[0]): number =>
    sparseExtentHeader.offsetOf(field);
  const capacity = view.getBigUint64(at('capacity'), true);
  if (capacity <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  const entries = BigInt(view.getUint32(at('numGTEsPerGT'), true));
  const grain = view.getBigUint64(at('grainSize'), true);
  const tableSectors = BigInt.asUintN(32, entries * grain);
  if (tableSectors === 0n || grain > BigInt(MAX_GRAIN_BYTES)) return;
  const tables = BigInt.asUintN(64, capacity + tableSectors - 1n) / tableSectors;
  if (BigInt.asUintN(32, tables) <= MAX_TABLES) return;
  throw corrupt('vmdk.directory-size', `A directory for ${capacity} sectors`, at('capacity'));
}

function parseSparse(bytes: Uint8Array): SparseHeader {
  refuseHugeDirectory(bytes);
  const raw = sparseExtentHeader.decode(bytes);
  if (raw.version < 1 || raw.version > 3) {
    throw unsupported(
      'vmdk.version',
      `The extent has version ${raw.version}`,
      'Versions 1 to 3 can be read.',
    );
  }
  const { compressAlgorithm } = raw;
  // The flag alone says nothing of how, and other programs go by the algorithm.
  const compressed = compressAlgorithm === COMPRESSION.deflate;
  if (
    hasAnyBit(raw.flags, FLAG.compressed) &&
    compressAlgorithm !== COMPRESSION.none &&
    !compressed
  ) {
    throw unsupported(
      'vmdk.compression',
      `The extent is compressed by the unknown algorithm ${compressAlgorithm}`,
      'Only deflate is known.',
    );
  }
  const atEnd = raw.gdOffsetLow === AT_END && raw.gdOffsetHigh === AT_END;
  const primary = raw.gdOffsetHigh * 2 ** 32 + raw.gdOffsetLow;
  const { descriptorOffset, descriptorSize } = raw;
  return checked({
    sizeBytes: raw.capacity * SECTOR_BYTES,
    grainBytes: raw.grainSize * SECTOR_BYTES,
    entriesPerTable: raw.numGTEsPerGT,
    directoryOffset: atEnd ? 0 : primary * SECTOR_BYTES,
    redundantOffset: hasAnyBit(raw.flags, FLAG.useRedundantTable)
      ? raw.rgdOffset * SECTOR_BYTES
      : 0,
    zeroedGrains: hasAnyBit(raw.flags, FLAG.zeroedGrains),
    compressed,
    markerBytes: hasAnyBit(raw.flags, FLAG.markers) ? GRAIN_MARKER_BYTES : 0,
    overheadBytes: raw.overHead * SECTOR_BYTES,
    descriptor:
      descriptorOffset === 0
        ? undefined
        : { offset: descriptorOffset * SECTOR_BYTES, lengthBytes: descriptorSize * SECTOR_BYTES },
    uncleanShutdown: raw.uncleanShutdown !== 0,
    version: raw.version,
    isEsx: false,
    hasFooter: false,
    isDescriptorOnly: raw.capacity === 0 && primary === 0 && descriptorOffset !== 0,
  });
}

function parseCowd(bytes: Uint8Array): SparseHeader {
  const raw = cowdHeader.decode(bytes);
  return checked({
    sizeBytes: raw.numSectors * SECTOR_BYTES,
    grainBytes: raw.grainSize * SECTOR_BYTES,
    entriesPerTable: COWD_TABLE_ENTRIES,
    directoryOffset: raw.gdOffset * SECTOR_BYTES,
    redundantOffset: 0,
    zeroedGrains: false,
    compressed: false,
    markerBytes: 0,
    // Tables come between the grains.
    overheadBytes: raw.gdOffset * SECTOR_BYTES + raw.numGDEntries * 4,
    descriptor: undefined,
    uncleanShutdown: false,
    version: raw.version,
    isEsx: true,
    hasFooter: false,
    isDescriptorOnly: false,
  });
}

function checked(header: SparseHeader): SparseHeader {
  const { sizeBytes, grainBytes, entriesPerTable, directoryOffset, redundantOffset } = header;
  const isPower = Number.isInteger(Math.log2(grainBytes));
  if (!isPower || grainBytes < SECTOR_BYTES || grainBytes > MAX_GRAIN_BYTES) {
    throw corrupt('vmdk.grain-size', `Grains of ${grainBytes} bytes are not possible`, 20);
  }
  if (header.compressed && grainBytes > MAX_COMPRESSED_GRAIN_BYTES) {
    throw unsupported(
      'vmdk.compressed-grain-size',
      `The extent is compressed in grains of ${grainBytes} bytes`,
      `Up to ${MAX_COMPRESSED_GRAIN_BYTES} can be read.`,
    );
  }
  const mostEntries = header.isEsx ? COWD_TABLE_ENTRIES : MAX_TABLE_ENTRIES;
  if (entriesPerTable < 1 || entriesPerTable > mostEntries) {
    throw corrupt('vmdk.table-size', `Grain tables of ${entriesPerTable} entries`, 44);
  }
  const largest = Math.max(sizeBytes, directoryOffset, redundantOffset, header.overheadBytes);
  if (Number.isSafeInteger(largest + grainBytes)) return header;
  throw corrupt('vmdk.offset', 'The header names an offset beyond what any file holds', 12);
}

/** One sparse extent, as a map of its own bytes. */
export class SparseExtent {
  readonly header: SparseHeader;
  readonly #table: GrainTables;
  readonly #decoders: DecoderSet;
  #decoder: Decoder | undefined;

  constructor(header: SparseHeader, table: GrainTables, decoders: DecoderSet) {
    this.header = header;
    this.#table = table;
    this.#decoders = decoders;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    if (!this.header.compressed) return lookupBlocks(this.#table, offset, lengthBytes, extent);
    const { grainBytes, sizeBytes, markerBytes } = this.header;
    const grainIndex = Math.floor(offset / grainBytes);
    const hostOffset = this.#table.find(grainIndex);
    if (hostOffset < 0) return lookupBlocks(this.#table, offset, lengthBytes, extent);
    const decoder = this.#decoder;
    if (decoder === undefined) return false;
    const skip = offset % grainBytes;
    // The last grain holds no more than the extent has, in some writers' images.
    const unitLengthBytes = Math.min(grainBytes, sizeBytes - grainIndex * grainBytes);
    const streamOffset = hostOffset + markerBytes + ZLIB_HEADER_BYTES;
    extent.setEncoded(
      {
        storage: during(this.#table.storage, 'read_compressed'),
        hostOffset: streamOffset,
        encodedLengthBytes: Math.max(0, this.#endOf(grainIndex, hostOffset) - streamOffset),
        unitLengthBytes,
        decoder,
      },
      skip,
      Math.min(lengthBytes, unitLengthBytes - skip),
    );
    return true;
  }

  /** Behind the grain for certain; its marker tells the length, and reading that would take a call. */
  #endOf(grainIndex: number, hostOffset: number): number {
    const { storage } = this.#table;
    const longest = hostOffset + this.header.markerBytes + longestStream(this.header.grainBytes);
    const next = this.#table.peek(grainIndex + 1);
    const end = Math.min(longest, storage.sizeBytes);
    return next > hostOffset ? Math.min(end, next) : end;
  }

  *load(offset: number): Step<void> {
    const grainIndex = Math.floor(offset / this.header.grainBytes);
    yield* this.#table.load(grainIndex);
    if (!this.header.compressed || this.#decoder !== undefined) return;
    if (this.#table.find(grainIndex) < 0) return;
    this.#decoder = yield* this.#decoders.load('deflate-raw');
    // While that took its time, other operations may have pushed the table out.
    yield* this.#table.load(grainIndex);
  }
}

/** Whether every grain table has a place, as all writers lay them out. */
export function hasAllTables(directory: Uint8Array, header: SparseHeader): boolean {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.length);
  for (let at = 0; at < tableCount(header) * 4; at += 4) {
    if (view.getUint32(at, true) === 0) return false;
  }
  return true;
}

/** What grains take of a file. */
export interface UsedSpace {
  /** Behind the last grain, were none compressed. */
  readonly endBytes: number;
  readonly places: GrainPlaces;
}

/** @throws DiskError `corrupt` where two grains share a place: a write to one would change the other */
export function* findUsedSpace(
  table: GrainTables,
  header: SparseHeader,
  limits: Limits,
): Step<UsedSpace> {
  const { grainBytes, overheadBytes, compressed } = header;
  // Of compressed grains only the start is known; they are not changed.
  const places = new GrainPlaces(compressed ? SECTOR_BYTES : grainBytes, limits);
  let endBytes = overheadBytes;
  yield* table.walk({
    grain(_, hostOffset) {
      if (hostOffset < overheadBytes) {
        throw corrupt('vmdk.grain-in-metadata', 'A grain lies where tables are', hostOffset);
      }
      if (!places.add(hostOffset)) throw grainTwice(hostOffset);
      endBytes = Math.max(endBytes, hostOffset + grainBytes);
    },
    missingTable(tableIndex, hostOffset) {
      throw tableBeyondFile(tableIndex, hostOffset);
    },
    sharedTable(_, hostOffset) {
      throw corrupt('vmdk.table-twice', 'A grain table is used twice', hostOffset);
    },
  });
  for (const hostOffset of places.overlaps()) throw grainTwice(hostOffset);
  return { endBytes, places };
}

function grainTwice(hostOffset: number): DiskError {
  return corrupt('vmdk.grain-twice', 'Two grains of the disk have the same place', hostOffset);
}
