/** Creates, applies and deletes internal snapshots: works out what that makes of the image. */
import { clearBits, DiskError, divideUp, setBits } from '@diskfile/bytes';
import type { SnapshotInfo, SnapshotRequest, SnapshotWriter, Step } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { MAX_L1_BYTES, neededL1Entries, type TableReference } from '../header.ts';
import type { ImageState } from '../image.ts';
import { isCopied } from '../l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { ReferenceTally } from '../refcounts/reference-tally.ts';
import type { Snapshot } from '../snapshots.ts';
import { ClusterTree, visitEntries, visitReferences } from './cluster-tree.ts';
import { CountChanges } from './count-changes.ts';
import type { ImagePlan } from './image-plan.ts';
import { switchImage } from './shadow-switch.ts';
import { checkRequest, newSnapshot, nextId } from './snapshot-entry.ts';

const COPIED_HIGH = 0x8000_0000;

export class Qcow2SnapshotWriter implements SnapshotWriter {
  readonly #metadata: ImageMetadata;
  readonly #writer: MetadataWriter;
  readonly #state: ImageState;
  readonly #maxBytes: number;

  /** @param maxBytes largest structure to hold in memory */
  constructor(
    metadata: ImageMetadata,
    writer: MetadataWriter,
    state: ImageState,
    maxBytes: number,
  ) {
    this.#metadata = metadata;
    this.#writer = writer;
    this.#state = state;
    this.#maxBytes = maxBytes;
  }

  /**
   * The snapshot keeps the L1 table of now with its L2 tables. The active state gets others, whose
   * flags say that a snapshot uses the clusters as well.
   */
  *create(request: SnapshotRequest): Step<SnapshotInfo> {
    checkRequest(request);
    yield* this.#begin();
    const { header, snapshots } = this.#metadata;
    const snapshot = newSnapshot(request, nextId(snapshots.list), header, header.l1Table);
    const changes = this.#newChanges();
    const active = yield* this.#readTree(header.l1Table);
    const copies = yield* this.#addReferences(active, changes.raised);
    changes.refuseDataIn(this.#metadata.map, [active]);
    this.#addShared(active, copies, changes);
    yield* this.#evaluate(changes, active, copies);
    yield* this.#switchTo({
      ...this.#sharing(active, copies, changes),
      l1Entries: header.l1Table.entries,
      snapshots: [...snapshots.list, snapshot],
      givenUp: [],
    });
    return snapshot.info;
  }

  /** The active state is dropped, and the snapshot's becomes active as well. */
  *apply(id: string): Step<void> {
    yield* this.#begin();
    const { header, snapshots } = this.#metadata;
    const snapshot = this.#find(id);
    const sizeBytes = snapshot.info.diskSizeBytes;
    this.#refuseApplying(sizeBytes);
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    const dropped = yield* this.#readTree(header.l1Table);
    const copies = yield* this.#addReferences(tree, changes.raised);
    yield* this.#addReferences(dropped, changes.lowered);
    changes.refuseDataIn(this.#metadata.map, [tree, dropped]);
    this.#addShared(tree, copies, changes);
    this.#addTables(dropped, changes.lowered);
    yield* this.#evaluate(changes, tree, copies);
    yield* this.#switchTo({
      ...this.#sharing(tree, copies, changes),
      sizeBytes,
      l1Entries: Math.max(snapshot.l1Table.entries, neededL1Entries(header, sizeBytes)),
      snapshots: snapshots.list,
      givenUp: [this.#runOf(header.l1Table)],
    });
  }

  *delete(id: string): Step<void> {
    yield* this.#begin();
    const { header, snapshots } = this.#metadata;
    const snapshot = this.#find(id);
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    yield* this.#addReferences(tree, changes.lowered);
    changes.refuseDataIn(this.#metadata.map, [tree]);
    this.#addTables(tree, changes.lowered);
    yield* changes.evaluate();
    const active = yield* this.#readTree(header.l1Table);
    const copies = yield* this.#findGained(active, changes);
    yield* this.#switchTo({
      sizeBytes: header.sizeBytes,
      changes,
      active,
      l1Entries: header.l1Table.entries,
      copies,
      setFlags: (l2) => this.#setGained(l2, changes),
      isOwn: (position) =>
        active.isCopied(position) || changes.becomesSingle(active.clusterOf(position)),
      snapshots: snapshots.list.filter((other) => other !== snapshot),
      givenUp: [
        this.#runOf(snapshot.l1Table),
        this.#runOf(header.l1Table),
        ...copies.map((position) => ({ start: active.clusterOf(position), count: 1 })),
      ],
    });
  }

  /** Writes what is pending, so that the file is what memory is, and looks at what there is. */
  *#begin(): Step<void> {
    yield* this.#writer.finish();
    const { headerWriter, snapshots, header, map, storage } = this.#metadata;
    if (headerWriter.isCorrupt) {
      throw corrupt('qcow2.marked-corrupt', 'The image was marked as corrupt');
    }
    if (snapshots.list.length !== header.snapshotTable.entries) {
      throw corrupt('qcow2.snapshot-table-cut', 'The file ends within the snapshot table');
    }
    const overlap = map.findOverlap();
    if (overlap !== undefined) {
      const offset = overlap.clusterIndex * header.clusterBytes;
      const [kind, other] = overlap.kinds;
      throw corrupt('qcow2.overlap', `The ${kind} at ${hex(offset)} lies where the ${other} is`, {
        offset,
      });
    }
    for (const { offset, entries } of [header.l1Table, ...snapshots.list.map(l1TableOf)]) {
      if (entries === 0 || offset + entries * 8 <= storage.sizeBytes) continue;
      throw corrupt('qcow2.l1-table-cut', `The file ends within the L1 table at ${hex(offset)}`, {
        offset,
      });
    }
  }

  #find(id: string): Snapshot {
    const found = this.#metadata.snapshots.list.find(({ info }) => info.id === id);
    if (found === undefined) throw new Error('assertion failed: a snapshot is gone');
    return found;
  }

  #refuseApplying(sizeBytes: number): void {
    const { header } = this.#metadata;
    if (header.version === 2 && sizeBytes !== header.sizeBytes) {
      throw new DiskError(
        'unsupported',
        'qcow2.snapshot-size',
        `The snapshot has another size (${sizeBytes} bytes), and an image of version 2 that has snapshots cannot be resized`,
        { hint: 'Amend the image to version 3 ("compat=1.1") first.' },
      );
    }
    if (neededL1Entries(header, sizeBytes) * 8 > Math.min(MAX_L1_BYTES, this.#maxBytes)) {
      throw new DiskError(
        'limit',
        'qcow2.snapshot-size',
        `A disk of ${sizeBytes} bytes is too large`,
        { hint: 'Open the snapshot itself to read it.' },
      );
    }
    if ((this.#state.bitmaps ?? []).length === 0) return;
    throw new DiskError(
      'unsupported',
      'qcow2.apply-with-bitmaps',
      'The bitmaps of the image tell what was written, and would not fit to what the snapshot holds',
      { hint: 'Remove the bitmaps first.' },
    );
  }

  #newChanges(): CountChanges {
    return new CountChanges(this.#metadata.refcounts, this.#maxBytes);
  }

  #readTree(l1Table: TableReference): Step<ClusterTree> {
    return ClusterTree.read(this.#metadata, l1Table, this.#maxBytes);
  }

  /** Counts all references to guest data. Returns which tables call clusters their own. */
  *#addReferences(tree: ClusterTree, tally: ReferenceTally): Step<number[]> {
    const { header } = this.#metadata;
    const owning: number[] = [];
    yield* tree.visitTables((l2, position) => {
      let owns = false;
      visitReferences(l2, header, (at, _entries, firstCluster, clusters, flagged) => {
        tally.addRun(firstCluster, clusters, 1);
        if (flagged && isCopied(l2.getUint32(at))) owns = true;
      });
      if (owns) owning.push(position);
    });
    return owning;
  }

  /** Tables that own nothing are used by the active state and the snapshot together. */
  #addShared(tree: ClusterTree, copies: readonly number[], changes: CountChanges): void {
    const copied = new Set(copies);
    for (let position = 0; position < tree.tableCount; position++) {
      if (!copied.has(position)) changes.raised.addRun(tree.clusterOf(position), 1, 1);
    }
  }

  /** The snapshot keeps the tables that the active state gets copies of. */
  *#evaluate(changes: CountChanges, tree: ClusterTree, copies: readonly number[]): Step<void> {
    yield* changes.evaluate();
    yield* changes.refuseUncounted(copies.map((position) => tree.clusterOf(position)));
  }

  #addTables(tree: ClusterTree, tally: ReferenceTally): void {
    for (const cluster of tree.tableClusters()) tally.addRun(cluster, 1, 1);
  }

  #runOf({ offset, entries }: TableReference): ClusterRun {
    const { clusterBytes } = this.#metadata.header;
    return { start: offset / clusterBytes, count: divideUp(entries * 8, clusterBytes) };
  }

  /** The active state and a snapshot use the same clusters: neither owns one. */
  #sharing(active: ClusterTree, copies: readonly number[], changes: CountChanges) {
    const { header } = this.#metadata;
    return {
      sizeBytes: header.sizeBytes,
      changes,
      active,
      copies,
      setFlags: (l2: DataView) =>
        visitReferences(l2, header, (runAt, entries, firstCluster, _clusters, flagged) => {
          if (!flagged || !isCopied(l2.getUint32(runAt))) return;
          visitEntries(header, runAt, entries, firstCluster, (at) => {
            l2.setUint32(at, clearBits(l2.getUint32(at), COPIED_HIGH));
          });
        }),
      isOwn: () => false,
    };
  }

  /** Tables of the active state that get flags, because they use clusters alone from now on. */
  *#findGained(active: ClusterTree, changes: CountChanges): Step<number[]> {
    const { header } = this.#metadata;
    const gained: number[] = [];
    yield* active.visitTables((l2, position) => {
      changes.refuseUnused(active.clusterOf(position));
      let gains = false;
      visitReferences(l2, header, (at, _entries, firstCluster, clusters, flagged) => {
        if (!changes.isLowered(firstCluster, clusters)) return;
        const isOwn = flagged && isCopied(l2.getUint32(at));
        for (let cluster = firstCluster; cluster < firstCluster + clusters; cluster++) {
          changes.refuseUnused(cluster);
          if (flagged && !isOwn && changes.becomesSingle(cluster)) gains = true;
        }
      });
      if (gains) gained.push(position);
    });
    return gained;
  }

  #setGained(l2: DataView, changes: CountChanges): void {
    const { header } = this.#metadata;
    visitReferences(l2, header, (runAt, entries, firstCluster, clusters, flagged) => {
      if (!flagged || !changes.isLowered(firstCluster, clusters)) return;
      visitEntries(header, runAt, entries, firstCluster, (at, cluster) => {
        if (!changes.becomesSingle(cluster)) return;
        l2.setUint32(at, setBits(l2.getUint32(at), COPIED_HIGH));
      });
    });
  }

  *#switchTo(plan: ImagePlan): Step<void> {
    yield* switchImage(this.#metadata, this.#writer, plan);
  }
}

function l1TableOf({ l1Table }: Snapshot): TableReference {
  return l1Table;
}
