/** Creating VMDK disks, laid out as `qemu-img create -f vmdk` does. */
import { alignUp, DiskError, divideUp } from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  growStorage,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { type CreateLayout, parseCreateOptions } from './create-options.ts';
import { encodeDescriptor } from './descriptor-encoder.ts';
import { encodeStreamEnd } from './stream-end.ts';
import {
  AT_END,
  COMPRESSION,
  FLAG,
  SECTOR_BYTES,
  SPARSE_MAGIC,
  sparseExtentHeader,
} from './structs.ts';

const GRAIN_SECTORS = 128;
const TABLE_ENTRIES = 512;
const TABLE_SECTORS = (TABLE_ENTRIES * 4) / SECTOR_BYTES;
const DESCRIPTOR_SECTOR = 1;
const DESCRIPTOR_SECTORS = 20;
/** Parts of a split disk have this many bytes at most. */
const PART_BYTES = 2 * 1024 * 1024 * 1024;

interface Part {
  readonly sizeBytes: number;
  readonly filename: string;
}

export function* createVmdk(context: CreateContext): Step<void> {
  const layout = yield* parseCreateOptions(context);
  const { storage } = context;
  if (!layout.isSplit && layout.isSparse) {
    const extent = { sizeBytes: layout.sizeBytes, filename: layout.ownName };
    const descriptor = encodeDescriptor(layout, [extent]);
    if (descriptor.length > DESCRIPTOR_SECTORS * SECTOR_BYTES) throw descriptorTooLong();
    if (layout.hasFooter) yield* layOutStream(storage, layout, descriptor);
    else yield* layOutSparse(storage, layout, layout.sizeBytes, descriptor);
    return;
  }
  const parts = partsOf(layout);
  for (const part of parts) {
    const file = yield* context.createNamed({
      role: 'extent',
      filename: part.filename,
      offset: 0,
      lengthBytes: undefined,
    });
    if (layout.isSparse) yield* layOutSparse(file, layout, part.sizeBytes, undefined);
    else yield* layOutFlat(file, part.sizeBytes);
  }
  yield* writeBytes(storage, encodeDescriptor(layout, parts), 0);
  yield* flushStorage(storage);
}

function partsOf({ sizeBytes, isSplit, isSparse, ownName }: CreateLayout): Part[] {
  const dot = ownName.lastIndexOf('.');
  const stem = dot === -1 ? ownName : ownName.slice(0, dot);
  const ending = dot === -1 ? '' : ownName.slice(dot);
  if (!isSplit) return [{ sizeBytes, filename: `${stem}-flat${ending}` }];
  const letter = isSparse ? 's' : 'f';
  return Array.from({ length: Math.max(1, divideUp(sizeBytes, PART_BYTES)) }, (_, index) => ({
    sizeBytes: Math.min(PART_BYTES, sizeBytes - index * PART_BYTES),
    filename: `${stem}-${letter}${String(index + 1).padStart(3, '0')}${ending}`,
  }));
}

function* layOutFlat(file: WritableStorage, sizeBytes: number): Step<void> {
  yield* growStorage(file, sizeBytes);
  yield* flushStorage(file);
}

/** Header, descriptor, both grain directories and all grain tables; the grains follow. */
function* layOutSparse(
  file: WritableStorage,
  layout: CreateLayout,
  sizeBytes: number,
  descriptor: Uint8Array | undefined,
): Step<void> {
  const capacity = sizeBytes / SECTOR_BYTES;
  const tables = divideUp(divideUp(capacity, GRAIN_SECTORS), TABLE_ENTRIES);
  const directorySectors = divideUp(tables * 4, SECTOR_BYTES);
  const rgdSector = DESCRIPTOR_SECTOR + DESCRIPTOR_SECTORS;
  const gdSector = rgdSector + directorySectors + tables * TABLE_SECTORS;
  const tablesEnd = gdSector + directorySectors + tables * TABLE_SECTORS;
  const overHead = alignUp(tablesEnd, GRAIN_SECTORS);
  yield* truncateStorage(file, overHead * SECTOR_BYTES);
  for (const directory of [rgdSector, gdSector]) {
    const entries = new DataView(new ArrayBuffer(directorySectors * SECTOR_BYTES));
    for (let index = 0; index < tables; index++) {
      entries.setUint32(index * 4, directory + directorySectors + index * TABLE_SECTORS, true);
    }
    yield* writeBytes(file, new Uint8Array(entries.buffer), directory * SECTOR_BYTES);
  }
  if (descriptor !== undefined) {
    yield* writeBytes(file, descriptor, DESCRIPTOR_SECTOR * SECTOR_BYTES);
  }
  const header = encodeHeader(layout, { capacity, rgdSector, gdSector, overHead });
  yield* writeBytes(file, header, 0);
  yield* flushStorage(file);
}

/** Header and descriptor; what else there is comes last, and there are no grains yet. */
function* layOutStream(
  file: WritableStorage,
  layout: CreateLayout,
  descriptor: Uint8Array,
): Step<void> {
  const capacity = layout.sizeBytes / SECTOR_BYTES;
  const tables = divideUp(divideUp(capacity, GRAIN_SECTORS), TABLE_ENTRIES);
  const places = { capacity, rgdSector: 0, gdSector: undefined, overHead: GRAIN_SECTORS };
  const header = encodeHeader(layout, places);
  const hostOffset = GRAIN_SECTORS * SECTOR_BYTES;
  const noTables = Array.from({ length: tables }, () => undefined);
  yield* writeBytes(file, descriptor, DESCRIPTOR_SECTOR * SECTOR_BYTES);
  yield* writeBytes(file, encodeStreamEnd({ tables: noTables, header, hostOffset }), hostOffset);
  yield* writeBytes(file, header, 0);
  yield* flushStorage(file);
}

interface SparsePlaces {
  readonly capacity: number;
  readonly rgdSector: number;
  /** Undefined where the footer tells it. */
  readonly gdSector: number | undefined;
  readonly overHead: number;
}

function encodeHeader(
  { compressed, zeroedGrains, hasFooter }: CreateLayout,
  places: SparsePlaces,
): Uint8Array {
  const header = new Uint8Array(SECTOR_BYTES);
  const flags =
    FLAG.newLineTest +
    (hasFooter ? 0 : FLAG.useRedundantTable) +
    (zeroedGrains ? FLAG.zeroedGrains : 0) +
    (compressed ? FLAG.compressed + FLAG.markers : 0);
  sparseExtentHeader.encode(
    {
      magicNumber: SPARSE_MAGIC,
      version: versionOf(compressed, zeroedGrains),
      flags,
      capacity: places.capacity,
      grainSize: GRAIN_SECTORS,
      descriptorOffset: DESCRIPTOR_SECTOR,
      descriptorSize: DESCRIPTOR_SECTORS,
      numGTEsPerGT: TABLE_ENTRIES,
      rgdOffset: places.rgdSector,
      gdOffsetLow: places.gdSector ?? AT_END,
      gdOffsetHigh: places.gdSector === undefined ? AT_END : 0,
      overHead: places.overHead,
      uncleanShutdown: 0,
      singleEndLineChar: 0x0a,
      nonEndLineChar: 0x20,
      doubleEndLineChar1: 0x0d,
      doubleEndLineChar2: 0x0a,
      compressAlgorithm: compressed ? COMPRESSION.deflate : COMPRESSION.none,
      pad: new Uint8Array(433),
    },
    header,
  );
  return header;
}

function versionOf(compressed: boolean, zeroedGrains: boolean): number {
  if (compressed) return 3;
  return zeroedGrains ? 2 : 1;
}

function descriptorTooLong(): DiskError {
  return new DiskError(
    'invalid-argument',
    'vmdk.descriptor-too-long',
    'The names in the descriptor need more room than there is',
    { op: 'create', format: 'vmdk', hint: 'Choose a shorter name for the parent.' },
  );
}
