/** The L1 and L2 tables of an image: where each cluster of the disk lies in the file. */
import { DiskError } from '@diskfile/bytes';
import {
  type Limits,
  type Step,
  type Storage,
  type TwoLevelLayout,
  TwoLevelTable,
  type WritableStorage,
  WritableTwoLevelTable,
} from '@diskfile/core';
import {
  packedEntry,
  packedLimit,
  packedPlaceOf,
  type PackedPlace,
  qcowEntries,
} from './entries.ts';
import type { QcowHeader } from './header.ts';

const SECTOR_BYTES = 512;

export function openTable(storage: Storage, header: QcowHeader, limits: Limits): TwoLevelTable {
  return new TwoLevelTable(storage, layoutOf(header, limits), qcowEntries);
}

/** Where the bytes of a cluster are that is held encoded, and in memory. */
export function packedPlaceAt(
  table: TwoLevelTable,
  clusterIndex: number,
  clusterBits: number,
): PackedPlace {
  const { high, low } = table.entryOf(clusterIndex);
  return packedPlaceOf(high, low, clusterBits);
}

/**
 * Tables that are written, clusters and tables where QEMU puts them. The caller has made sure that
 * no two entries name the same place.
 */
export class WritableQcowTable extends WritableTwoLevelTable {
  readonly #clusterBits: number;

  constructor(storage: WritableStorage, header: QcowHeader, limits: Limits) {
    super(storage, layoutOf(header, limits), qcowEntries, {
      usedEnd: storage.sizeBytes,
      alignment: header.clusterBytes,
      tableFirst: true,
    });
    this.#clusterBits = header.clusterBits;
  }

  /** Space for compressed clusters that follow one another, each in sectors of its own. */
  *reservePacked(firstCluster: number, lengths: readonly number[]): Step<number[]> {
    yield* this.prepare();
    yield* this.placeTable(firstCluster);
    const hostOffsets = lengths.map((length) => this.take(length, SECTOR_BYTES));
    if (hostOffsets.at(-1)! + lengths.at(-1)! <= packedLimit(this.#clusterBits)) return hostOffsets;
    yield* this.unreservePacked(hostOffsets, lengths);
    throw full();
  }

  *unreservePacked(hostOffsets: readonly number[], lengths: readonly number[]): Step<void> {
    const end = hostOffsets.at(-1)! + lengths.at(-1)!;
    yield* this.giveBack(hostOffsets[0]!, end - hostOffsets[0]!);
  }

  /** The cluster is compressed, and there, from now on. */
  *linkPacked(clusterIndex: number, place: PackedPlace): Step<void> {
    yield* this.load(clusterIndex);
    const { high, low } = packedEntry(place, this.#clusterBits);
    this.setEntry(clusterIndex, high, low);
  }

  /** Space for something that is no cluster, such as a name. */
  *reserveBytes(lengthBytes: number): Step<number> {
    yield* this.prepare();
    return this.take(lengthBytes, SECTOR_BYTES);
  }
}

function layoutOf(header: QcowHeader, limits: Limits): TwoLevelLayout {
  return {
    clusterBytes: header.clusterBytes,
    l1: { hostOffset: header.l1TableOffset, lengthBytes: header.l1Entries * 8 },
    l2TableBytes: header.l2TableBytes,
    cacheBytes: limits.metadataCacheBytes,
  };
}

function full(): DiskError {
  return new DiskError('no-space', 'qcow.full', 'The image has reached its largest size', {
    hint: 'Convert it to qcow2.',
  });
}
