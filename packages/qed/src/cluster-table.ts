/** The L1 and L2 tables of an image: where each cluster of the disk lies in the file. */
import {
  BLOCK,
  joinEntry,
  type Limits,
  type Step,
  type Storage,
  type TableEntries,
  type TwoLevelLayout,
  TwoLevelTable,
  type WritableStorage,
  WritableTwoLevelTable,
} from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import {
  isClusterPlace,
  isTablePlace,
  type QedHeader,
  tableBytes,
  wholeClusters,
} from './header.ts';
import { ZERO_CLUSTER } from './structs.ts';

export function openTable(storage: Storage, header: QedHeader, limits: Limits): TwoLevelTable {
  // Another process may make the file longer.
  const end = () => wholeClusters(storage.sizeBytes, header);
  return new TwoLevelTable(storage, layoutOf(header, limits), entriesOf(header, end));
}

/**
 * Tables that are written. The caller has made sure that no two entries name the same cluster, and
 * none one that is not there.
 */
export function openWritableTable(
  storage: WritableStorage,
  header: QedHeader,
  limits: Limits,
): WritableQedTable {
  const entries = entriesOf(header, () => table.usedEnd);
  const table: WritableQedTable = new WritableQedTable(storage, layoutOf(header, limits), entries, {
    usedEnd: wholeClusters(storage.sizeBytes, header),
    alignment: header.clusterBytes,
    tableFirst: false,
  });
  return table;
}

export class WritableQedTable extends WritableTwoLevelTable {
  *linkZero(clusterIndex: number): Step<void> {
    yield* this.#setAbsent(clusterIndex, ZERO_CLUSTER);
  }

  *unlink(clusterIndex: number): Step<void> {
    yield* this.#setAbsent(clusterIndex, 0);
  }

  *#setAbsent(clusterIndex: number, entry: number): Step<void> {
    yield* this.prepare();
    yield* this.load(clusterIndex);
    this.setEntry(clusterIndex, 0, entry);
  }
}

function layoutOf(header: QedHeader, limits: Limits): TwoLevelLayout {
  const l2TableBytes = tableBytes(header);
  return {
    clusterBytes: header.clusterBytes,
    l1: { hostOffset: header.l1Offset, lengthBytes: l2TableBytes },
    l2TableBytes,
    cacheBytes: limits.metadataCacheBytes,
  };
}

/** @param endOfClusters behind the last cluster of the file */
function entriesOf(header: QedHeader, endOfClusters: () => number): TableEntries {
  return {
    littleEndian: true,
    cluster(high, low, entryOffset) {
      if (high === 0 && low <= ZERO_CLUSTER) return low === 0 ? BLOCK.none : BLOCK.zero;
      const offset = joinEntry(high, low);
      if (isClusterPlace(header, offset, endOfClusters())) return offset;
      throw corrupt(
        'qed.cluster-offset',
        `A table entry places a cluster at ${hex(offset)}, where none can be`,
        entryOffset,
      );
    },
    table(high, low, entryOffset) {
      const offset = joinEntry(high, low);
      if (isTablePlace(header, offset, endOfClusters())) return offset;
      throw corrupt(
        'qed.table-offset',
        `The L1 table places an L2 table at ${hex(offset)}, where none can be`,
        entryOffset,
      );
    },
  };
}
