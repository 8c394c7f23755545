/** The extents of a disk one behind the other, each a map of its own bytes. */
import { alignUp, type DiskError, isAllZero } from '@diskfile/bytes';
import {
  BlockWriter,
  type Extent,
  FlatWriter,
  type ImageWriter,
  type Limits,
  type OpenContext,
  readBytes,
  type Step,
  type Storage,
  type WritableStorage,
  writableStorage,
} from '@diskfile/core';
import type { ExtentLine } from './descriptor.ts';
import { GrainStreamWriter } from './grain-stream-writer.ts';
import { GrainTables } from './grain-tables.ts';
import { corrupt, unsupported } from './refusals.ts';
import { isSeSparseMagic, SeSparseExtent } from './se-sparse-extent.ts';
import {
  findUsedSpace,
  hasAllTables,
  readSparseHeader,
  SparseExtent,
  type SparseHeader,
} from './sparse-extent.ts';
import { StreamedGrainTables } from './streamed-grain-tables.ts';
import { SECTOR_BYTES } from './structs.ts';
import { checkTablePlaces } from './table-places.ts';
import { WritableGrainTables } from './writable-grain-tables.ts';

/** What opening and checking have in common. */
export type PartsContext = Omit<OpenContext, 'disk' | 'openInner'>;

/** Larger compressed grains are not written; nobody makes them. */
const MAX_STREAM_GRAIN_BYTES = 1024 * 1024;

/** What an extent is to the disk: offsets count from its own start. */
export interface ExtentSource {
  readonly sizeBytes: number;
  readonly grainBytes: number;
  lookup(offset: number, lengthBytes: number, extent: Extent): boolean;
  load(offset: number): Step<void>;
  readonly writer: ImageWriter | undefined;
  /** The file; undefined for an extent of zeros. */
  readonly storage: Storage | undefined;
  /** Of a hosted or ESX Server sparse extent: what there is to check. */
  readonly sparse?: { readonly header: SparseHeader; readonly tables: GrainTables };
}

export function zeroExtent(sizeBytes: number, hasParent: boolean): ExtentSource {
  return {
    sizeBytes,
    grainBytes: sizeBytes,
    lookup(_, lengthBytes, extent) {
      if (hasParent) extent.setBacking(lengthBytes);
      else extent.setZero(lengthBytes);
      return true;
    },
    *load() {},
    writer: undefined,
    storage: undefined,
  };
}

/** Part of the disk that is not to be read; the rest of it is. */
export function closedExtent(sizeBytes: number): ExtentSource {
  return {
    ...zeroExtent(sizeBytes, false),
    lookup() {
      throw unsupported(
        'vmdk.no-access',
        'An extent of the disk is marked as not to be read',
        'Read what lies outside of it.',
      );
    },
  };
}

export function flatExtent(
  { writable }: PartsContext,
  storage: Storage,
  line: ExtentLine,
): ExtentSource {
  const { sizeBytes, offset: startOffset } = line;
  return {
    sizeBytes,
    grainBytes: 1,
    lookup(offset, lengthBytes, extent) {
      extent.setData(storage, startOffset + offset, lengthBytes);
      return true;
    },
    *load() {},
    writer:
      writable && line.access === 'RW'
        ? new FlatWriter(writableStorage(storage, 'vmdk'), startOffset)
        : undefined,
    storage,
  };
}

export interface SparseOptions {
  /** What the descriptor says; undefined for an extent that stands alone. */
  readonly sizeBytes?: number;
  readonly hasParent: boolean;
  /** Of what the extent may keep in memory. */
  readonly limits: Limits;
}

export function* openSparse(
  context: PartsContext,
  storage: Storage,
  { sizeBytes, hasParent, limits }: SparseOptions,
): Step<ExtentSource> {
  const { decoders } = context;
  const head = yield* readBytes(storage, 0, 8);
  if (isSeSparseMagic(head)) {
    if (context.writable) throw onlyRead('vmdk.se-sparse-read-only', 'A seSparse extent');
    const extent = yield* SeSparseExtent.open(storage, limits);
    checkSize(sizeBytes, extent.sizeBytes);
    return {
      sizeBytes: sizeBytes ?? extent.sizeBytes,
      grainBytes: extent.blockBytes,
      lookup: (offset, lengthBytes, found) => extent.lookup(offset, lengthBytes, found),
      load: (offset) => extent.load(Math.floor(offset / extent.blockBytes)),
      writer: undefined,
      storage,
    };
  }
  const header = yield* readSparseHeader(storage);
  checkSize(sizeBytes, header.sizeBytes);
  if (context.writable && header.version > 2 && !header.compressed) {
    throw onlyRead('vmdk.version-read-only', `An extent of version ${header.version}`);
  }
  if (header.uncleanShutdown) {
    context.warn({
      detail: 'vmdk.unclean',
      message: 'The image was not closed properly by the program that wrote it last',
    });
  }
  const directory = yield* GrainTables.readDirectory(storage, header, limits);
  const reading = new GrainTables(storage, header, directory, limits);
  let table: GrainTables = reading;
  let writer: ImageWriter | undefined;
  if (context.writable && canBeWritten(header, directory, sizeBytes === undefined)) {
    const written = yield* openWritableTables(
      writableStorage(storage, 'vmdk'),
      header,
      reading,
      directory,
      limits,
    );
    writer = header.compressed
      ? new GrainStreamWriter(written, { hasBacking: hasParent })
      : new BlockWriter(written, {
          hasBacking: hasParent,
          linksZerosOverData: context.tuning?.asQemu === true,
        });
    table = written;
  }
  const extent = new SparseExtent(header, table, decoders);
  return {
    sizeBytes: sizeBytes ?? header.sizeBytes,
    grainBytes: header.grainBytes,
    lookup: (offset, lengthBytes, found) => extent.lookup(offset, lengthBytes, found),
    load: (offset) => extent.load(offset),
    writer,
    storage,
    sparse: { header, tables: table },
  };
}

function onlyRead(detail: string, what: string): DiskError {
  return unsupported(
    detail,
    `${what} can only be read`,
    'Open it read-only, or convert it to monolithicSparse.',
  );
}

function checkSize(wanted: number | undefined, sizeBytes: number): void {
  if (wanted === undefined || wanted <= sizeBytes) return;
  throw corrupt(
    'vmdk.extent-too-small',
    `The descriptor gives the extent ${wanted} bytes, and it holds ${sizeBytes}`,
    0,
  );
}

/** @param standsAlone whether the file is the whole disk */
function canBeWritten(header: SparseHeader, directory: Uint8Array, standsAlone: boolean): boolean {
  const { compressed, hasFooter, grainBytes, isEsx, markerBytes } = header;
  // In an empty one grains are added, and the end is written anew.
  if (hasFooter && !isAllZero(directory)) return false;
  if (isEsx || (!hasFooter && !hasAllTables(directory, header))) return false;
  if (!compressed) return true;
  return standsAlone && markerBytes > 0 && grainBytes <= MAX_STREAM_GRAIN_BYTES;
}

function* openWritableTables(
  storage: WritableStorage,
  header: SparseHeader,
  reading: GrainTables,
  directory: Uint8Array<ArrayBuffer>,
  limits: Limits,
): Step<WritableGrainTables> {
  if (header.hasFooter) {
    return new StreamedGrainTables(storage, header, header.overheadBytes, limits);
  }
  const { endBytes, places } = yield* findUsedSpace(reading, header, limits);
  const { redundantOffset, compressed, grainBytes } = header;
  const redundant =
    redundantOffset === 0
      ? undefined
      : yield* GrainTables.readDirectory(
          storage,
          { ...header, directoryOffset: redundantOffset },
          limits,
        );
  const tables = { directory, redundant, fileBytes: storage.sizeBytes };
  checkTablePlaces(header, tables, places, limits);
  const fileEnd = alignUp(storage.sizeBytes, grainBytes);
  const parts = {
    directory,
    redundant,
    // What is behind the grains, of a write that was not flushed or tables, stays as it is.
    usedEnd: Math.max(endBytes, fileEnd),
    alignment: compressed ? SECTOR_BYTES : grainBytes,
  };
  return new WritableGrainTables(storage, header, parts, limits);
}
