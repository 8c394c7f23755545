/** The extents of a disk one behind the other, each a map of its own bytes. */
import { alignUp, DiskError, readU32le } from '@diskfile/bytes';
import {
  type OpenContext,
  BlockWriter,
  type Extent,
  FlatWriter,
  type ImageWriter,
  isWritable,
  type Limits,
  readBytes,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import type { ExtentLine } from './descriptor.ts';
import { GrainStreamWriter } from './grain-stream-writer.ts';
import { GrainTables } from './grain-tables.ts';
import { corrupt, unsupported } from './refusals.ts';
import { isSeSparseMagic, SeSparseExtent } from './se-sparse-extent.ts';
import {
  findUsedEnd,
  hasAllTables,
  readSparseHeader,
  SparseExtent,
  type SparseHeader,
} from './sparse-extent.ts';
import { SECTOR_BYTES } from './structs.ts';
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

/** Opens what one line of a descriptor names. */
export function* openExtent(
  context: PartsContext,
  line: ExtentLine,
  hasParent: boolean,
): Step<ExtentSource> {
  if (line.access === 'NOACCESS') {
    throw unsupported(
      'vmdk.no-access',
      'An extent of the disk is marked as not to be read',
      'Nobody can read it as it is.',
    );
  }
  if (line.type === 'ZERO') return zeroExtent(line.sizeBytes, hasParent);
  const storage = yield* openFile(context, line);
  switch (line.type) {
    case 'FLAT':
    case 'VMFS':
      return flatExtent(context, storage, line);
    case 'SPARSE':
    case 'VMFSSPARSE':
    case 'SESPARSE':
      return yield* openSparse(context, storage, line.sizeBytes, hasParent);
    default:
      throw unsupported(
        'vmdk.extent-type',
        `The disk has an extent of the type ${line.type}`,
        'Files can be read; whole devices of the host cannot.',
      );
  }
}

function* openFile(context: PartsContext, { filename }: ExtentLine): Step<Storage> {
  if (filename === undefined || filename === '') {
    throw corrupt('vmdk.extent-name', 'An extent of the disk has no name', 0);
  }
  return yield* context.openNamed({
    role: 'extent',
    filename,
    offset: 0,
    lengthBytes: undefined,
  });
}

function zeroExtent(sizeBytes: number, hasParent: boolean): ExtentSource {
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

function flatExtent({ writable }: PartsContext, storage: Storage, line: ExtentLine): ExtentSource {
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
        ? new FlatWriter(writableOf(storage), startOffset)
        : undefined,
    storage,
  };
}

/** @param sizeBytes what the descriptor says; undefined for an extent that stands alone */
export function* openSparse(
  context: PartsContext,
  storage: Storage,
  sizeBytes: number | undefined,
  hasParent: boolean,
): Step<ExtentSource> {
  const { limits, decoders } = context;
  const head = yield* readBytes(storage, 0, 8);
  if (isSeSparseMagic(head)) {
    const extent = yield* SeSparseExtent.open(storage, limits);
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
  if (sizeBytes !== undefined && sizeBytes > header.sizeBytes) {
    throw corrupt(
      'vmdk.extent-too-small',
      `The descriptor gives the extent ${sizeBytes} bytes, and it holds ${header.sizeBytes}`,
      readU32le(head, 0) === 0 ? 0 : 12,
    );
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
      writableOf(storage),
      header,
      reading,
      directory,
      limits,
    );
    writer = header.compressed
      ? new GrainStreamWriter(written, { hasBacking: hasParent })
      : new BlockWriter(written, { hasBacking: hasParent });
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

/** @param standsAlone whether the file is the whole disk */
function canBeWritten(header: SparseHeader, directory: Uint8Array, standsAlone: boolean): boolean {
  const { compressed, hasFooter, grainBytes, version, isEsx } = header;
  if (isEsx || !hasAllTables(directory, header)) return false;
  return compressed
    ? standsAlone && !hasFooter && grainBytes <= MAX_STREAM_GRAIN_BYTES
    : version < 3;
}

function* openWritableTables(
  storage: WritableStorage,
  header: SparseHeader,
  reading: GrainTables,
  directory: Uint8Array<ArrayBuffer>,
  limits: Limits,
): Step<WritableGrainTables> {
  const grainsEnd = yield* findUsedEnd(reading, header, limits);
  const { redundantOffset, compressed, grainBytes } = header;
  const redundant =
    redundantOffset === 0
      ? undefined
      : yield* GrainTables.readDirectory(
          storage,
          { ...header, directoryOffset: redundantOffset },
          limits,
        );
  const fileEnd = alignUp(storage.sizeBytes, grainBytes);
  const parts = {
    directory,
    redundant,
    // What is behind the grains, of a write that was not flushed or tables, stays as it is.
    usedEnd: Math.max(grainsEnd, fileEnd),
    alignment: compressed ? SECTOR_BYTES : grainBytes,
  };
  return new WritableGrainTables(storage, header, parts, limits);
}

function writableOf(storage: Storage): WritableStorage {
  if (isWritable(storage)) return storage;
  throw new DiskError(
    'unsupported',
    'vmdk.storage-read-only',
    'A file of the disk can only be read',
    {
      path: storage.name,
      hint: 'Open the disk read-only.',
    },
  );
}
