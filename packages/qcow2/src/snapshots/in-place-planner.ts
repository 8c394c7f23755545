/** Works out what an operation on snapshots changes where it lies. */
import { alignUp, divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { l2CoverageBytes } from '../header/header.ts';
import type { TableReference } from '../header/header-places.ts';
import { setCopied } from '../tables/l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { Snapshot } from './snapshots.ts';
import { ClusterTree } from './cluster-tree.ts';
import { CountChanges } from './count-changes.ts';
import { clearFlags, type FlagChange, setGainedFlags } from './flag-change.ts';
import type { InPlacePlan } from './in-place-plan.ts';
import { addReferences, addTables, findGained } from './tree-references.ts';

const ENTRY_BYTES = 8;

export class InPlacePlanner {
  readonly #metadata: ImageMetadata;
  readonly #maxBytes: number;

  /** @param maxBytes largest structure to hold in memory */
  constructor(metadata: ImageMetadata, maxBytes: number) {
    this.#metadata = metadata;
    this.#maxBytes = maxBytes;
  }

  /**
   * The snapshot gets a copy of the L1 table, and all L2 tables are used by both.
   * @param snapshotAt makes its entry, given where the copy lies
   */
  *create(snapshotAt: (l1Copy: TableReference) => Snapshot): Step<InPlacePlan> {
    const { header, snapshots, map } = this.#metadata;
    const changes = this.#newChanges();
    const active = yield* this.#readTree(header.l1Table);
    const owning = yield* addReferences(active, header, changes.raised);
    changes.refuseDataIn(map, [active]);
    addTables(active, changes.raised);
    yield* changes.evaluate();
    return {
      sizeBytes: header.sizeBytes,
      changes,
      flags: [this.#clearing(active, owning)],
      l1Before: active.copyL1(),
      l1After: withoutFlags(active.copyL1()),
      keepsL1: true,
      snapshots: (l1Copy) => [...snapshots.list, snapshotAt(l1Copy)],
      givenUp: [],
    };
  }

  /**
   * The active state is dropped, and the snapshot's becomes active as well. What other snapshots
   * use of the dropped state may be theirs alone from then on, and QEMU notes that in their tables.
   */
  *apply(snapshot: Snapshot): Step<InPlacePlan> {
    const { header, map } = this.#metadata;
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    const dropped = yield* this.#readTree(header.l1Table);
    const owning = yield* addReferences(tree, header, changes.raised);
    yield* addReferences(dropped, header, changes.lowered);
    changes.refuseDataIn(map, [tree, dropped]);
    addTables(tree, changes.raised);
    addTables(dropped, changes.lowered);
    yield* changes.evaluate();
    const l1Before = dropped.copyL1();
    const l1After = new Uint8Array(l1Before.length);
    const snapshotL1 = withoutFlags(tree.copyL1());
    l1After.set(snapshotL1);
    return {
      sizeBytes: snapshot.info.diskSizeBytes,
      changes,
      flags: [
        this.#clearing(tree, owning),
        yield* this.#gainingLeft(dropped, changes, this.#cutTables(snapshot.info.diskSizeBytes)),
      ],
      l1Before,
      l1After,
      snapshotL1: { hostOffset: snapshot.l1Table.offset, bytes: snapshotL1 },
      keepsL1: false,
      givenUp: [],
    };
  }

  *delete(snapshot: Snapshot): Step<InPlacePlan> {
    const { header, snapshots, map } = this.#metadata;
    const { clusterBytes } = header;
    const changes = this.#newChanges();
    const tree = yield* this.#readTree(snapshot.l1Table);
    yield* addReferences(tree, header, changes.lowered);
    changes.refuseDataIn(map, [tree]);
    addTables(tree, changes.lowered);
    yield* changes.evaluate();
    const active = yield* this.#readTree(header.l1Table);
    const gained = yield* findGained(active, header, changes);
    const { offset, entries } = snapshot.l1Table;
    return {
      sizeBytes: header.sizeBytes,
      changes,
      flags: [this.#gaining(active, gained, changes), yield* this.#gainingLeft(tree, changes)],
      l1Before: active.copyL1(),
      l1After: this.#withGained(active, changes),
      keepsL1: false,
      snapshots: () => snapshots.list.filter((other) => other !== snapshot),
      givenUp: [
        { start: offset / clusterBytes, count: divideUp(entries * ENTRY_BYTES, clusterBytes) },
      ],
    };
  }

  #newChanges(): CountChanges {
    return new CountChanges(this.#metadata.refcounts, this.#maxBytes);
  }

  #readTree(l1Table: TableReference): Step<ClusterTree> {
    return ClusterTree.read(this.#metadata, l1Table, this.#maxBytes);
  }

  #clearing(tree: ClusterTree, positions: readonly number[]): FlagChange {
    const { header } = this.#metadata;
    return {
      tables: clustersOf(tree, positions),
      change: (l2, onChange) => clearFlags(l2, header, onChange),
    };
  }

  #gaining(tree: ClusterTree, positions: readonly number[], changes: CountChanges): FlagChange {
    const { header } = this.#metadata;
    return {
      tables: clustersOf(tree, positions),
      change: (l2, onChange) => setGainedFlags(l2, header, changes, onChange),
    };
  }

  /**
   * Flags in those tables of a tree that goes which something else uses as well.
   * @param isLeftOut given L1 entries whose tables stay as they are
   */
  *#gainingLeft(
    tree: ClusterTree,
    changes: CountChanges,
    isLeftOut: (l1Index: number) => boolean = () => false,
  ): Step<FlagChange> {
    const { header } = this.#metadata;
    const left = tree.positions((cluster) => !changes.becomesUnused(cluster));
    const visited = left.filter((position) => !isLeftOut(tree.l1IndexOf(position)));
    const gained = yield* findGained(tree, header, changes, visited);
    return this.#gaining(tree, gained, changes);
  }

  /**
   * L1 entries of the part of the disk that a smaller size cuts off: QEMU does that before it
   * applies a snapshot, and in tables that are nobody else's.
   */
  #cutTables(sizeBytes: number): (l1Index: number) => boolean {
    const { header } = this.#metadata;
    const coverage = l2CoverageBytes(header);
    const first = Math.floor(alignUp(sizeBytes, header.clusterBytes) / coverage);
    const end = divideUp(header.sizeBytes, coverage);
    return (l1Index) => l1Index >= first && l1Index < end && sizeBytes < header.sizeBytes;
  }

  /** The L1 table, with flags for tables that it uses alone from now on. */
  #withGained(active: ClusterTree, changes: CountChanges): Uint8Array {
    const l1 = active.copyL1();
    const entries = new DataView(l1.buffer);
    for (const position of active.positions((cluster) => changes.becomesSingle(cluster))) {
      setCopied(entries, active.l1IndexOf(position) * ENTRY_BYTES, true);
    }
    return l1;
  }
}

function clustersOf(tree: ClusterTree, positions: readonly number[]): number[] {
  return positions.map((position) => tree.clusterOf(position));
}

function withoutFlags(l1: Uint8Array): Uint8Array {
  const entries = new DataView(l1.buffer);
  for (let at = 0; at < l1.length; at += ENTRY_BYTES) setCopied(entries, at, false);
  return l1;
}
