/**
 * Changes what is active, which snapshots there are, and refcounts, all where they lie, so that the
 * image is laid out as QEMU leaves it.
 *
 * Refcounts and the COPIED flags of the active tables have to agree, and are changed one after the
 * other. Meanwhile the dirty bit says that they are not to be relied on: whoever opens the image
 * after a crash counts anew, and sets the flags. What decides which state is found then changes at
 * one instant, with a write of the header's first sector or of one sector of the active L1 table.
 */
import { divideUp } from '@diskfile/bytes';
import { during, flushStorage, type Limits, type Step, writeBytes } from '@diskfile/core';
import { TableRewriting } from '../check/repair/table-rewriting.ts';
import { INCOMPATIBLE } from '../header/features.ts';
import type { HeaderContent } from '../header/header-content.ts';
import { withFeatures } from '../header/header-forms.ts';
import { neededL1Entries, type Qcow2Header } from '../header/header.ts';
import { L1Table } from '../tables/l1-table.ts';
import { OFFSET_MASK } from '../tables/l2-entry.ts';
import { type ImageMetadata, MAPPED_KINDS, mapMetadata } from '../metadata.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import { recount } from '../refcounts/recount.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { Snapshot } from './snapshots.ts';
import type { InPlacePlan } from './in-place-plan.ts';
import { differingSectors } from './l1-difference.ts';
import { encodeSnapshotTable } from './snapshot-entry.ts';

const TWO_32 = 0x1_0000_0000;
const ENTRY_BYTES = 8;

/** The snapshots that there are to be, and where they are noted. */
interface NewSnapshots {
  readonly list: readonly Snapshot[];
  readonly l1CopyOffset: number;
  readonly tableOffset: number;
  readonly tableBytes: Uint8Array;
}

export class InPlaceSwitch {
  readonly #metadata: ImageMetadata;
  readonly #writer: MetadataWriter;
  readonly #limits: Limits;
  readonly #plan: InPlacePlan;
  /** Clusters that were taken for tables. */
  readonly #taken: ClusterRun[] = [];
  /** Whether the new L1 table is the active one, in the file and in memory. */
  #isActive = false;

  constructor(metadata: ImageMetadata, writer: MetadataWriter, limits: Limits, plan: InPlacePlan) {
    this.#metadata = metadata;
    this.#writer = writer;
    this.#limits = limits;
    this.#plan = plan;
  }

  /**
   * Whether a snapshot can become active, or be made of what is, without a longer L1 table. Version
   * 2 has no dirty bit.
   */
  static isPossible({ header }: ImageMetadata, { info, l1Table }: Snapshot): boolean {
    const needed = Math.max(l1Table.entries, neededL1Entries(header, info.diskSizeBytes));
    return header.version >= 3 && needed <= header.l1Table.entries;
  }

  /**
   * The file has all changes of before, refcounts included. When this fails the image is what it
   * was or what it is to be; counts and flags are right again once it has been settled.
   */
  *run(): Step<void> {
    const { headerWriter, allocator, refcounts, tables } = this.#metadata;
    let placed: NewSnapshots | undefined;
    try {
      placed = yield* this.#placeSnapshots();
      yield* this.#writer.finish();
      yield* headerWriter.setDirty(true);
    } catch (error) {
      // They are counted down by the next flush, when the header is sure to name none of them.
      for (const run of this.#taken) allocator.freed.unlink(run);
      throw error;
    }
    try {
      yield* this.#change(placed);
    } catch (error) {
      const l1 = this.#isActive ? this.#plan.l1After : this.#plan.l1Before;
      this.#metadata.unsettle(() => recount(this.#metadata, this.#limits, l1));
      throw error;
    } finally {
      refcounts.forget();
      tables.forgetSlices();
    }
  }

  /** Takes clusters in QEMU's order. @returns undefined where the snapshots stay what they are */
  *#placeSnapshots(): Step<NewSnapshots | undefined> {
    const { snapshots, keepsL1, l1Before } = this.#plan;
    if (snapshots === undefined) return undefined;
    const l1CopyOffset = keepsL1 ? yield* this.#take(l1Before.length) : 0;
    const list = snapshots({ offset: l1CopyOffset, entries: l1Before.length / ENTRY_BYTES });
    const tableBytes = encodeSnapshotTable(list);
    return { list, l1CopyOffset, tableOffset: yield* this.#take(tableBytes.length), tableBytes };
  }

  /** Neighbouring clusters for a table. Returns where it begins; an empty one is at 0. */
  *#take(lengthBytes: number): Step<number> {
    const { allocator, header } = this.#metadata;
    const count = divideUp(lengthBytes, header.clusterBytes);
    if (count === 0) return 0;
    const start = yield* allocator.allocate(count);
    this.#taken.push({ start, count });
    return start * header.clusterBytes;
  }

  /** Under the protection of the dirty bit. */
  *#change(placed: NewSnapshots | undefined): Step<void> {
    const { storage, headerWriter, header } = this.#metadata;
    const { l1Before, l1After, sizeBytes } = this.#plan;
    const { offset: l1Offset } = header.l1Table;
    const switched = this.#prepareMemory(placed);
    const sectors = differingSectors(l1Before, l1After);
    // Looked for by the counts of before: what the old state uses is in use until then.
    const isOneWrite = sectors <= 1 && sizeBytes === header.sizeBytes;
    const spare = isOneWrite ? undefined : yield* this.#findSpare();
    yield* this.#writeCounts();
    yield* this.#writeFlags();
    yield* this.#writeSnapshots(placed);
    if (spare !== undefined) yield* this.#activateAt(spare);
    yield* writeBytes(storage, l1After, l1Offset);
    yield* flushStorage(storage);
    if (sectors > 0 && isOneWrite) this.#activate(l1Offset);
    yield* headerWriter.update((content) => newHeader(header, placed, this.#withSize(content)));
    this.#activate(l1Offset);
    switched();
  }

  *#writeCounts(): Step<void> {
    const { storage, refcounts } = this.#metadata;
    const { changes } = this.#plan;
    const blocks = during(storage, 'refblock_update_part');
    for (const index of changes.blocks) {
      const hostOffset = refcounts.table.blockOffset(index, refcounts.clusterBytes);
      yield* writeBytes(blocks, yield* changes.changedBlock(index), hostOffset);
    }
  }

  *#writeFlags(): Step<void> {
    const { storage, header } = this.#metadata;
    const { clusterBytes } = header;
    const written = during(storage, 'l2_update');
    for (const { tables, change } of this.#plan.flags) {
      const rewriting = new TableRewriting(during(storage, 'l2_load'), clusterBytes, written);
      const offsets = tables.map((cluster) => cluster * clusterBytes);
      yield* rewriting.each(offsets, (l2, _, changed) => {
        change(l2, (at) => changed.add(at, at + ENTRY_BYTES, clusterBytes));
      });
    }
  }

  *#writeSnapshots(placed: NewSnapshots | undefined): Step<void> {
    const { storage } = this.#metadata;
    const { snapshotL1, keepsL1, l1Before } = this.#plan;
    if (snapshotL1 !== undefined)
      yield* writeBytes(storage, snapshotL1.bytes, snapshotL1.hostOffset);
    if (placed === undefined) return;
    if (keepsL1) yield* writeBytes(storage, l1Before, placed.l1CopyOffset);
    yield* writeBytes(storage, placed.tableBytes, placed.tableOffset);
  }

  *#findSpare(): Step<ClusterRun> {
    const { allocator, header } = this.#metadata;
    const count = divideUp(this.#plan.l1After.length, header.clusterBytes);
    return { start: yield* allocator.findUnused(count), count };
  }

  /** A size that is no whole number of sectors stays as it is. */
  #withSize({ fields, ...rest }: HeaderContent): HeaderContent {
    const { sizeBytes } = this.#plan;
    const isSame = sizeBytes === this.#metadata.header.sizeBytes;
    return { ...rest, fields: { ...fields, size: isSame ? fields.size : sizeBytes } };
  }

  /**
   * Makes a copy of the new L1 table the active one, with the size of the disk, so that the place of
   * the old one is free to be written. Nothing needs to count the clusters of the copy.
   */
  *#activateAt(spare: ClusterRun): Step<void> {
    const { storage, allocator, headerWriter, header } = this.#metadata;
    const hostOffset = spare.start * header.clusterBytes;
    yield* writeBytes(storage, this.#plan.l1After, hostOffset);
    yield* flushStorage(storage);
    yield* headerWriter.update((content) => {
      const { fields, ...rest } = this.#withSize(content);
      return { ...rest, fields: { ...fields, l1_table_offset: hostOffset } };
    });
    this.#activate(hostOffset);
    allocator.freed.addFreed(spare);
  }

  /** What lies behind the disk is brought in when someone asks for it. */
  get #heldBytes(): number {
    const { header } = this.#metadata;
    return neededL1Entries(header, this.#plan.sizeBytes) * ENTRY_BYTES;
  }

  /** The file has the new L1 table at that place, and all that hangs on it. */
  #activate(hostOffset: number): void {
    const { tables, allocator } = this.#metadata;
    const { l1After, changes } = this.#plan;
    const held = l1After.slice(0, this.#heldBytes);
    tables.replaceL1(new L1Table(hostOffset, held, OFFSET_MASK));
    if (this.#isActive) return;
    this.#isActive = true;
    for (const run of changes.unused) allocator.freed.addFreed(run);
  }

  /** Returns what brings memory to the new state; it cannot fail, as the file is there by then. */
  #prepareMemory(placed: NewSnapshots | undefined): () => void {
    const { header, refcounts, map, allocator, snapshots } = this.#metadata;
    const { l1After, givenUp } = this.#plan;
    const { l1Table, clusterBytes, snapshotTable } = header;
    const l1 = new L1Table(l1Table.offset, l1After.slice(0, this.#heldBytes), OFFSET_MASK);
    const after =
      placed === undefined
        ? snapshots
        : { list: placed.list, lengthBytes: placed.tableBytes.length };
    const newMap = mapMetadata(
      {
        l1Table,
        l1,
        refcountTable: refcounts.table,
        snapshotTable: {
          offset: placed?.tableOffset ?? snapshotTable.offset,
          entries: after.list.length,
        },
        snapshots: after,
      },
      clusterBytes,
    );
    const oldTable = {
      start: snapshotTable.offset / clusterBytes,
      count: divideUp(snapshots.lengthBytes, clusterBytes),
    };
    return () => {
      this.#metadata.snapshots = after;
      map.replaceKinds(newMap, MAPPED_KINDS);
      if (placed !== undefined) allocator.freed.unlink(oldTable);
      for (const run of givenUp) allocator.freed.unlink(run);
    };
  }
}

/** Counts and flags in the file are right by then, so it is no longer dirty. */
function newHeader(
  { features, l1Table }: Qcow2Header,
  placed: NewSnapshots | undefined,
  content: HeaderContent,
): HeaderContent {
  const bits = [...features.incompatible].filter((bit) => bit !== INCOMPATIBLE.dirty);
  const { fields, ...rest } = withFeatures(content, 'incompatible', new Set(bits));
  const named = placed && {
    nb_snapshots: placed.list.length,
    snapshots_offset_high: Math.floor(placed.tableOffset / TWO_32),
    snapshots_offset_low: placed.tableOffset % TWO_32,
  };
  return { ...rest, fields: { ...fields, l1_table_offset: l1Table.offset, ...named } };
}
