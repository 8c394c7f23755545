/**
 * Builds all refcounts anew, and the snapshot table where that has to be. Everything is written to
 * places that nothing refers to; then the header switches over. Up to that moment the image is what
 * it was, from then on it is what it should be.
 */
import { DiskError, divideUp, writeU64be } from '@diskfile/bytes';
import {
  flushStorage,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import type { Inspection } from '../inspection.ts';
import { NEARBY_BYTES } from '../references.ts';
import { DECODED_AT_ONCE } from '../stored-refcounts.ts';
import { HeaderRepair } from './header-repair.ts';
import { completeSnapshotTable } from './snapshot-table.ts';

/** QEMU's own bound, which every reader of the header applies. */
const MAX_TABLE_BYTES = 8 * 1024 * 1024;

/** Where the new structures lie, one after another. */
interface Places {
  /** First cluster of the snapshot table, which may have none. */
  readonly start: number;
  readonly refcountTable: number;
  readonly tableClusters: number;
  readonly firstBlock: number;
  /** Places in the refcount table of the blocks, in their order in the file. */
  readonly blocks: readonly number[];
  readonly end: number;
}

export class RefcountRebuild {
  readonly #storage: WritableStorage;
  readonly #inspection: Inspection;
  readonly #clusterBytes: number;
  readonly #keepsUnowned: boolean;
  /** Empty when the table stays where it is. */
  readonly #snapshotTable: Uint8Array;

  /**
   * @param inspection whose counts are used up
   * @param keepUnowned whether clusters that nothing refers to are to stay in use
   */
  constructor(storage: WritableStorage, inspection: Inspection, keepUnowned: boolean) {
    const { header, snapshots } = inspection;
    this.#storage = storage;
    this.#inspection = inspection;
    this.#clusterBytes = header.clusterBytes;
    this.#keepsUnowned = keepUnowned;
    this.#snapshotTable = snapshots.isMendable
      ? completeSnapshotTable(snapshots.list, header.sizeBytes)
      : new Uint8Array(0);
  }

  /** @throws DiskError `no-space` or `limit`, with nothing changed */
  *run(): Step<void> {
    const { header, snapshots, references } = this.#inspection;
    const storage = this.#storage;
    this.#forgetOldStructures();
    if (this.#keepsUnowned) yield* this.#keepUnowned();
    const places = yield* this.#findPlaces();
    references.tally.addRun(places.start, places.end - places.start, 1);
    yield* writeBytes(storage, this.#snapshotTable, places.start * this.#clusterBytes);
    yield* this.#writeTable(places);
    yield* this.#writeBlocks(places);
    yield* flushStorage(storage);
    const headerRepair = new HeaderRepair(storage, header);
    const tableOffset = places.refcountTable * this.#clusterBytes;
    yield* headerRepair.setRefcountTable(tableOffset, places.tableClusters);
    if (!snapshots.isMendable) return;
    const snapshotsOffset = snapshots.list.length === 0 ? 0 : places.start * this.#clusterBytes;
    yield* headerRepair.setSnapshotTable(snapshotsOffset, snapshots.list.length);
  }

  /** The old table and blocks are free once the header has switched. */
  #forgetOldStructures(): void {
    const { references, stored, blockPlaces, header } = this.#inspection;
    const { tally } = references;
    const tableClusters = header.refcountTable.clusters;
    const tableBytes = tableClusters * this.#clusterBytes;
    if (tableClusters > 0 && !references.isBeyondEnd(stored.tableOffset, tableBytes)) {
      tally.addRun(stored.tableOffset / this.#clusterBytes, tableClusters, -1);
    }
    for (const hostOffset of blockPlaces.counted) {
      tally.addRun(hostOffset / this.#clusterBytes, 1, -1);
    }
  }

  /** Clusters that seem unused may belong to a reference that is damaged, so they stay in use. */
  *#keepUnowned(): Step<void> {
    const { references, stored } = this.#inspection;
    const { tally, clusters } = references;
    const end = divideUp(clusters, stored.clustersPerBlock);
    const sound = stored.presentBlocks(end).filter((index) => {
      const cluster = stored.blockOffset(index) / this.#clusterBytes;
      return tally.get(cluster) === 0;
    });
    const counts = new Float64Array(Math.min(DECODED_AT_ONCE, stored.clustersPerBlock));
    yield* stored.eachBlock(sound, (block, index) => {
      for (let slot = 0; slot < stored.clustersPerBlock; slot += counts.length) {
        stored.decode(block, slot, counts);
        const start = index * stored.clustersPerBlock + slot;
        for (let each = 0; each < counts.length && start + each < clusters; each++) {
          if (counts[each]! > 0 && tally.get(start + each) === 0) tally.addRun(start + each, 1, 1);
        }
      }
    });
  }

  /** Behind the end of the file; where that cannot grow, behind all that is in use. */
  *#findPlaces(): Step<Places> {
    const atEnd = this.#placesBehindEnd();
    if (atEnd !== undefined && (yield* this.#grow(atEnd.end * this.#clusterBytes))) return atEnd;
    const behind = this.#placesFrom(this.#firstBehindAll());
    if (behind === undefined) throw tooFar();
    if (behind.end * this.#clusterBytes <= this.#storage.sizeBytes) return behind;
    throw noRoom(this.#storage.name);
  }

  /** As near to the end as there is nothing that something refers to, although it is not there. */
  #placesBehindEnd(): Places | undefined {
    const { references } = this.#inspection;
    const { clusters } = references;
    const last = clusters + NEARBY_BYTES / this.#clusterBytes;
    for (let start = clusters; start <= last;) {
      const places = this.#placesFrom(start);
      if (places === undefined || references.isFree(start, places.end)) return places;
      start = places.end;
    }
    return undefined;
  }

  /** The old structures are still referred to by the header, whatever was counted. */
  #firstBehindAll(): number {
    const { references, stored, blockPlaces, header } = this.#inspection;
    const ends = blockPlaces.counted.map((hostOffset) => hostOffset / this.#clusterBytes + 1);
    ends.push(stored.tableOffset / this.#clusterBytes + header.refcountTable.clusters);
    return ends.reduce((last, end) => Math.max(last, end), references.tally.end);
  }

  *#grow(sizeBytes: number): Step<boolean> {
    try {
      yield* truncateStorage(this.#storage, sizeBytes);
      return true;
    } catch (error) {
      if (error instanceof DiskError && REFUSALS.has(error.code)) return false;
      throw error;
    }
  }

  /** Undefined where no refcount table could reach. */
  #placesFrom(start: number): Places | undefined {
    const { references, stored } = this.#inspection;
    const used = references.tally.blocks(stored.clustersPerBlock);
    const snapshotClusters = divideUp(this.#snapshotTable.length, this.#clusterBytes);
    // The structures count themselves, so they may need a further block, and that another one.
    for (let total = snapshotClusters + 1 + used.length; ;) {
      const end = start + total;
      const lastBlock = Math.floor((end - 1) / stored.clustersPerBlock);
      const tableClusters = divideUp((lastBlock + 1) * 8, this.#clusterBytes);
      if (tableClusters * this.#clusterBytes > MAX_TABLE_BYTES) return undefined;
      const blocks = new Set(used);
      for (let index = Math.floor(start / stored.clustersPerBlock); index <= lastBlock; index++) {
        blocks.add(index);
      }
      const refcountTable = start + snapshotClusters;
      const firstBlock = refcountTable + tableClusters;
      total = firstBlock + blocks.size - start;
      if (start + total > end) continue;
      return { start, refcountTable, tableClusters, firstBlock, blocks: [...blocks], end };
    }
  }

  *#writeTable({ refcountTable, tableClusters, firstBlock, blocks }: Places): Step<void> {
    const table = new Uint8Array(tableClusters * this.#clusterBytes);
    for (const [at, index] of blocks.entries()) {
      writeU64be(table, index * 8, (firstBlock + at) * this.#clusterBytes);
    }
    yield* writeBytes(this.#storage, table, refcountTable * this.#clusterBytes);
  }

  *#writeBlocks({ firstBlock, blocks }: Places): Step<void> {
    const { stored, references } = this.#inspection;
    const { width, clustersPerBlock } = stored;
    const counts = new Uint32Array(Math.min(DECODED_AT_ONCE, clustersPerBlock));
    const block = new Uint8Array(this.#clusterBytes);
    for (const [at, index] of blocks.entries()) {
      block.fill(0);
      for (let slot = 0; slot < clustersPerBlock; slot += counts.length) {
        references.tally.copyCounts(index * clustersPerBlock + slot, counts);
        for (const [each, count] of counts.entries()) {
          if (count > 0) width.set(block, slot + each, Math.min(count, width.max));
        }
      }
      yield* writeBytes(this.#storage, block, (firstBlock + at) * this.#clusterBytes);
    }
  }
}

/** Codes with which storages refuse to grow. */
const REFUSALS: ReadonlySet<string> = new Set(['no-space', 'unsupported']);

function noRoom(path: string): DiskError {
  return new DiskError(
    'no-space',
    'qcow2.check.no-room',
    'There is no room for new refcounts behind the end of the image',
    { path, hint: 'Copy the image to where it can grow, and repair it there.' },
  );
}

function tooFar(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.check.refcount-table-size',
    'A refcount table that reaches all clusters in use would be larger than one can be',
    { hint: 'Convert the image to one with larger clusters.' },
  );
}
