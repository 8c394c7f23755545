/** The tables of an image that is written, and what keeps them together. */
import { DiskError } from '@diskfile/bytes';
import {
  type DiskWarning,
  during,
  type FormatTuning,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import { ClusterAllocator } from './allocation/allocator.ts';
import { corrupt, hex } from './errors.ts';
import { HeaderWriter } from './header/header-writer.ts';
import type { Qcow2Header } from './header/header.ts';
import type { TableReference } from './header/header-places.ts';
import type { L1Table } from './tables/l1-table.ts';
import type { MappingTables } from './tables/mapping-tables.ts';
import { type MetadataKind, MetadataMap } from './tables/overlap.ts';
import { RefcountTable } from './refcounts/refcount-table.ts';
import { Refcounts } from './refcounts/refcounts.ts';
import type { SnapshotTable } from './snapshots/snapshots.ts';

/** Share of the cache for tables that refcount blocks may take, besides L2 tables. */
const REFCOUNT_SHARE = 0.25;

export interface MetadataParts {
  readonly headerWriter: HeaderWriter;
  /** The image file. */
  readonly storage: WritableStorage;
  /** The external data file. */
  readonly dataFile: WritableStorage | undefined;
  readonly tables: MappingTables;
  readonly snapshots: SnapshotTable;
  /** Bytes of tables that may be kept in memory. */
  readonly cacheBytes: number;
  readonly tuning?: FormatTuning | undefined;
  /** See `OpenContext.hasBelow`. */
  readonly hasBelow?: boolean | undefined;
  warn(warning: DiskWarning): void;
}

export class ImageMetadata {
  readonly headerWriter: HeaderWriter;
  readonly storage: WritableStorage;
  readonly dataFile: WritableStorage | undefined;
  readonly tables: MappingTables;
  readonly refcounts: Refcounts;
  readonly allocator: ClusterAllocator;
  readonly map: MetadataMap;
  readonly cacheBytes: number;
  /** The snapshots that the image has now. */
  snapshots: SnapshotTable;
  /** Whether free clusters at the end of the file are cut off when the image is closed. */
  cutsEnd: boolean;
  /** Told of damage that keeps nothing from going on. */
  readonly warn: (warning: DiskWarning) => void;
  readonly #openedWithBacking: boolean;
  readonly #tuning: FormatTuning;
  /** Makes the tables in the file right again, after a change to them that failed half way. */
  #recovery: (() => Step<void>) | undefined;
  #isRecovering = false;

  constructor(
    parts: MetadataParts,
    refcounts: Refcounts,
    map: MetadataMap,
    allocator = new ClusterAllocator(refcounts, map, parts.headerWriter),
  ) {
    this.headerWriter = parts.headerWriter;
    this.#tuning = parts.tuning ?? {};
    this.cutsEnd = !this.asQemu;
    this.warn = parts.warn;
    this.#openedWithBacking =
      parts.hasBelow === true || parts.headerWriter.header.backingName !== undefined;
    this.storage = parts.storage;
    this.dataFile = parts.dataFile;
    this.tables = parts.tables;
    this.snapshots = parts.snapshots;
    this.cacheBytes = parts.cacheBytes;
    this.refcounts = refcounts;
    this.map = map;
    this.allocator = allocator;
  }

  /**
   * Whether what is unallocated may read as anything but zeros: there is an image below, or was
   * when this one was opened.
   */
  get hasBacking(): boolean {
    return this.#openedWithBacking || this.header.backingName !== undefined;
  }

  /** Whether the host gets nothing back. */
  get keepsFreedSpace(): boolean {
    return this.#tuning.keepsFreedSpace === true;
  }

  /** Whether to leave and refuse what QEMU does, where that is more. */
  get asQemu(): boolean {
    return this.#tuning.asQemu === true;
  }

  /** Whether refcounts may be behind; version 2 has no mark for that. */
  get lazyRefcounts(): boolean {
    const { header } = this;
    return header.version === 3 && (this.#tuning.lazyRefcounts ?? header.lazyRefcounts);
  }

  /**
   * Comes before the entries of new clusters change. QEMU marks an image with lazy refcounts as dirty
   * then; until tables are written, the file needs no mark.
   */
  *noteAllocation(): Step<void> {
    const { headerWriter } = this;
    if (this.asQemu && this.lazyRefcounts && !headerWriter.isDirty) {
      yield* headerWriter.setDirty(true);
    }
  }

  /** Whether the file may say something else than memory does: until {@link settle}. */
  get isUnsettled(): boolean {
    return this.headerWriter.isUncertain || this.#recovery !== undefined;
  }

  /**
   * Notes that counts and COPIED flags in the file are not what they have to be. Until they are,
   * nothing may be allocated, freed, or overwritten where it lies.
   */
  unsettle(recovery: () => Step<void>): void {
    this.#recovery = recovery;
  }

  /** Makes header and tables in the file what they have to be, after changes that failed. */
  *settle(): Step<void> {
    if (this.#isRecovering) return;
    yield* this.headerWriter.settle();
    if (this.#recovery === undefined) return;
    this.#isRecovering = true;
    try {
      yield* this.#recovery();
      this.#recovery = undefined;
    } finally {
      this.#isRecovering = false;
    }
  }

  /** The header as it is now: it changes with the image. */
  get header(): Qcow2Header {
    return this.headerWriter.header;
  }
}

/** Reads what writing needs beyond the mapping: the refcount table, and where metadata lies. */
export function* openMetadata(parts: MetadataParts): Step<ImageMetadata> {
  const { headerWriter, storage, cacheBytes } = parts;
  const { header } = headerWriter;
  const { offset, clusters } = header.refcountTable;
  const table = yield* readTable(storage, offset, clusters * header.clusterBytes);
  const refcounts = new Refcounts(storage, table, header, cacheBytes * REFCOUNT_SHARE);
  const { l1Table, snapshotTable } = header;
  const { l1 } = parts.tables;
  const places = { l1Table, l1, refcountTable: table, snapshotTable, snapshots: parts.snapshots };
  const { encryptionHeader } = headerWriter.extensions;
  refuseTooManyTables(parts.tables.l1, Math.ceil(storage.sizeBytes / header.clusterBytes));
  const map = findMetadata(places, header.clusterBytes, parts.tuning?.overlapChecks);
  if (encryptionHeader !== undefined) {
    // Without it, nobody reads the disk again.
    map.addRegion('LUKS header', encryptionHeader.offset, encryptionHeader.lengthBytes);
  }
  return new ImageMetadata(parts, refcounts, map);
}

function* readTable(
  storage: WritableStorage,
  hostOffset: number,
  lengthBytes: number,
): Step<RefcountTable> {
  try {
    return yield* RefcountTable.read(during(storage, 'reftable_load'), hostOffset, lengthBytes);
  } catch (cause) {
    if (!(cause instanceof DiskError) || cause.context.op !== 'read') throw cause;
    throw new DiskError(
      cause.code,
      'qcow2.refcount-table-unread',
      'The refcount table cannot be read',
      {
        offset: hostOffset,
        cause,
      },
    );
  }
}

/** Where the tables of an image lie. */
export interface TablePlaces {
  readonly l1Table: TableReference;
  readonly l1: L1Table;
  readonly refcountTable: RefcountTable;
  readonly snapshotTable: TableReference;
  readonly snapshots: SnapshotTable;
}

/** Kinds of metadata that {@link mapMetadata} knows the places of. */
export const MAPPED_KINDS: ReadonlySet<MetadataKind> = new Set<MetadataKind>([
  'L1 table',
  'L2 table',
  'refcount table',
  'refcount block',
  'snapshot table',
  "snapshot's L1 table",
]);

/** @throws DiskError `corrupt` for tables that lie upon each other */
export function mapMetadata(
  places: TablePlaces,
  clusterBytes: number,
  checks?: ReadonlySet<string>,
): MetadataMap {
  const map = findMetadata(places, clusterBytes, checks);
  if (map.conflict === undefined) return map;
  const { kind, hostOffset } = map.conflict;
  throw corrupt('qcow2.overlap', `A table at ${hex(hostOffset)} lies where the ${kind} is`, {
    offset: hostOffset,
  });
}

/**
 * Where metadata lies. Of tables that lie upon each other, the map says so: such an image is read,
 * and what it holds is overwritten, but its tables are not changed.
 */
function findMetadata(
  places: TablePlaces,
  clusterBytes: number,
  checks?: ReadonlySet<string>,
): MetadataMap {
  const { l1Table, l1, refcountTable: table, snapshotTable, snapshots } = places;
  const map = new MetadataMap(clusterBytes, checks);
  const own = [
    ['refcount table', table.hostOffset, table.bytes.length],
    ['L1 table', l1Table.offset, l1Table.entries * 8],
    ['snapshot table', snapshotTable.offset, snapshots.lengthBytes],
  ] as const;
  for (const [kind, hostOffset, lengthBytes] of own) {
    const start = Math.floor(hostOffset / clusterBytes);
    const other = map.findRegion(start, Math.ceil((hostOffset + lengthBytes) / clusterBytes));
    if (lengthBytes > 0 && other !== undefined) map.noteConflict(other, hostOffset);
    map.addRegion(kind, hostOffset, lengthBytes);
  }
  map.addRegions(
    snapshots.list.map(({ l1Table: { offset, entries } }) => ({
      kind: "snapshot's L1 table",
      hostOffset: offset,
      lengthBytes: entries * 8,
    })),
  );
  for (let index = 0, { usedCapacity } = table; index < usedCapacity; index++) {
    const offset = table.possibleOffset(index, clusterBytes) ?? 0;
    if (offset === 0) continue;
    // A file could claim far more refcounts than it holds, and searching them would not end.
    if (map.find(offset / clusterBytes, offset / clusterBytes + 1) === 'refcount block') {
      map.noteConflict('refcount block', offset);
    }
    map.addCluster('refcount block', offset / clusterBytes);
  }
  addL2Tables(map, l1, clusterBytes);
  return map;
}

function addL2Tables(map: MetadataMap, l1: L1Table, clusterBytes: number): void {
  for (let index = 0; index < l1.entries; index++) {
    const offset = l1.l2TableOffset(index);
    if (offset === 0) continue;
    const cluster = Math.floor(offset / clusterBytes);
    if (l1.isCopied(index) && map.find(cluster, cluster + 1) === 'L2 table') {
      map.noteConflict('L2 table', offset);
    }
    map.addCluster('L2 table', cluster);
  }
}

/** Of more tables than the file has room for, not all can be true; holding them takes memory. */
function refuseTooManyTables(l1: L1Table, fileClusters: number): void {
  let left = fileClusters;
  for (let index = 0; index < l1.entries; index++) {
    if (l1.l2TableOffset(index) === 0) continue;
    left -= 1;
    if (left < 0) throw tooManyTables(l1.hostOffset + index * 8);
  }
}

function tooManyTables(entryOffset: number): Error {
  return corrupt(
    'qcow2.l2-tables-beyond-file',
    'The L1 table names more L2 tables than the file has room for',
    { offset: entryOffset },
  );
}
