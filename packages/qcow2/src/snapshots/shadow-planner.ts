/** Works out what an operation on snapshots writes beside what there is. */
import { divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { neededL1Entries } from '../header/header.ts';
import type { TableReference } from '../header/header-places.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { Snapshot } from './snapshots.ts';
import { ClusterTree } from './cluster-tree.ts';
import { CountChanges } from './count-changes.ts';
import { clearFlags, setGainedFlags } from './flag-change.ts';
import type { ShadowPlan } from './shadow-plan.ts';
import { addReferences, addTables, findGained } from './tree-references.ts';

export class ShadowPlanner {
  readonly #metadata: ImageMetadata;
  readonly #maxBytes: number;

  /** @param maxBytes largest structure to hold in memory */
  constructor(metadata: ImageMetadata, maxBytes: number) {
    this.#metadata = metadata;
    this.#maxBytes = maxBytes;
  }

  /**
   * The snapshot keeps the L1 table of now with its L2 tables. The active state gets others, whose
   * flags say that a snapshot uses the clusters as well.
   */
  *create(snapshot: Snapshot): Step<ShadowPlan> {
    const { header, snapshots, map } = this.#metadata;
    const changes = this.#newChanges();
    const active = yield* this.#readTree(header.l1Table);
    const copies = yield* addReferences(active, header, changes.raised);
    changes.refuseDataIn(map, [active]);
    this.#addShared(active, copies, changes);
    yield* this.#evaluate(changes, active, copies);
    return {
      ...this.#sharing(active, copies, changes),
      l1Entries: header.l1Table.entries,
      snapshots: [...snapshots.list, snapshot],
      givenUp: [],
    };
  }

  /** The active state is dropped, and the snapshot's becomes active as well. */
  *apply(snapshot: Snapshot): Step<ShadowPlan> {
    const { header, snapshots, map } = this.#metadata;
    const sizeBytes = snapshot.info.diskSizeBytes;
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    const dropped = yield* this.#readTree(header.l1Table);
    const copies = yield* addReferences(tree, header, changes.raised);
    yield* addReferences(dropped, header, changes.lowered);
    changes.refuseDataIn(map, [tree, dropped]);
    this.#addShared(tree, copies, changes);
    addTables(dropped, changes.lowered);
    yield* this.#evaluate(changes, tree, copies);
    return {
      ...this.#sharing(tree, copies, changes),
      sizeBytes,
      l1Entries: Math.max(snapshot.l1Table.entries, neededL1Entries(header, sizeBytes)),
      snapshots: snapshots.list,
      givenUp: [this.#runOf(header.l1Table)],
    };
  }

  *delete(snapshot: Snapshot): Step<ShadowPlan> {
    const { header, snapshots, map } = this.#metadata;
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    yield* addReferences(tree, header, changes.lowered);
    changes.refuseDataIn(map, [tree]);
    addTables(tree, changes.lowered);
    yield* changes.evaluate();
    const active = yield* this.#readTree(header.l1Table);
    const copies = yield* findGained(active, header, changes);
    return {
      sizeBytes: header.sizeBytes,
      changes,
      active,
      l1Entries: header.l1Table.entries,
      copies,
      setFlags: (l2) => setGainedFlags(l2, header, changes),
      isOwn: (position) =>
        active.isCopied(position) || changes.becomesSingle(active.clusterOf(position)),
      snapshots: snapshots.list.filter((other) => other !== snapshot),
      givenUp: [
        this.#runOf(snapshot.l1Table),
        this.#runOf(header.l1Table),
        ...copies.map((position) => ({ start: active.clusterOf(position), count: 1 })),
      ],
    };
  }

  #newChanges(): CountChanges {
    return new CountChanges(this.#metadata.refcounts, this.#maxBytes);
  }

  #readTree(l1Table: TableReference): Step<ClusterTree> {
    return ClusterTree.read(this.#metadata, l1Table, this.#maxBytes);
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
      setFlags: (l2: DataView) => clearFlags(l2, header),
      isOwn: () => false,
    };
  }
}
