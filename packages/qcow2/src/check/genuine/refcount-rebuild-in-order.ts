/**
 * Builds the refcounts anew in the places where QEMU puts them: each block and then the table in the
 * first clusters that nothing refers to.
 */
import { divideUp } from '@diskfile/bytes';
import { flushStorage, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { headerV2 } from '../../structs.ts';
import type { Counting } from './counting.ts';
import type { MetadataPlaces } from './metadata-places.ts';
import type { RefcountFile } from './refcount-file.ts';
import { CheckStopped, type Transcript } from './transcript.ts';
import { TooMuchWork, type WorkBudget } from './work-budget.ts';

/** Of a refcount table, as whoever opens the image accepts it. */
const MAX_TABLE_ENTRIES = (8 * 1024 * 1024) / 8;

export class OrderedRebuild {
  readonly #storage: WritableStorage;
  readonly #counting: Counting;
  readonly #refcounts: RefcountFile;
  readonly #clusterBytes: number;
  readonly #places: MetadataPlaces;
  readonly #transcript: Transcript;
  readonly #budget: WorkBudget;
  /** Offsets of the new blocks; 0 for none. */
  readonly #blocks: number[] = [];
  #firstFree = 0;

  constructor(
    storage: WritableStorage,
    counting: Counting,
    refcounts: RefcountFile,
    clusterBytes: number,
    places: MetadataPlaces,
    transcript: Transcript,
    budget: WorkBudget,
  ) {
    this.#budget = budget;
    this.#places = places;
    this.#transcript = transcript;
    this.#storage = storage;
    this.#counting = counting;
    this.#refcounts = refcounts;
    this.#clusterBytes = clusterBytes;
  }

  /** The header switches over once all else is durable. */
  *run(): Step<void> {
    yield* this.#writeBlocks(0, this.#counting.clusters);
    let table: number;
    let clusters: number;
    do {
      this.#firstFree = 0;
      clusters = this.#tableClusters;
      table = this.#allocate(clusters);
      yield* this.#writeBlocks(table, table + clusters);
      // A place that has become too small stays counted: QEMU finds it leaked, as all that is old.
    } while (this.#tableClusters > clusters);
    yield* this.#refuseOverlap(table * this.#clusterBytes, 'reftable');
    yield* this.#refcounts.replaceTable(table * this.#clusterBytes, this.#blocks);
    yield* flushStorage(this.#storage);
    const place = this.#refcounts.encodePlace();
    yield* writeBytes(this.#storage, place, headerV2.offsetOf('refcount_table_offset'));
    yield* flushStorage(this.#storage);
  }

  /** Clusters of a table that names all blocks. */
  get #tableClusters(): number {
    return Math.max(1, divideUp(this.#blocks.length * 8, this.#clusterBytes));
  }

  /** Writes the blocks that count a run of clusters, and those that count what is taken for them. */
  *#writeBlocks(start: number, until: number): Step<void> {
    let end = until;
    const perBlock = this.#refcounts.clustersPerBlock;
    for (let cluster = start; cluster < end; cluster++) {
      this.#budget.spend(1);
      const index = Math.floor(cluster / perBlock);
      if (this.#counting.tally.isBlank(cluster, (index + 1) * perBlock)) {
        cluster = (index + 1) * perBlock - 1;
        continue;
      }
      if (this.#counting.count(cluster) === 0) continue;
      if (index >= MAX_TABLE_ENTRIES) throw new TooMuchWork('No table counts so far');
      if ((this.#blocks[index] ?? 0) === 0) {
        // Blocks that are written already do not change any more.
        this.#firstFree = Math.max(this.#firstFree, index * perBlock);
        while (this.#blocks.length <= index) this.#blocks.push(0);
        const place = this.#allocate(1);
        this.#blocks[index] = place * this.#clusterBytes;
        end = Math.max(end, place + 1);
      }
      yield* this.#refuseOverlap(this.#blocks[index]!, 'refblock');
      yield* this.#refcounts.writeBlock(this.#blocks[index]!, this.#encode(index));
      cluster = (index + 1) * perBlock - 1;
    }
  }

  /** What the damaged table names is not overwritten, even where nothing refers to it. */
  *#refuseOverlap(hostOffset: number, written: string): Step<void> {
    const what = this.#places.at(hostOffset);
    if (what === undefined) return;
    yield* this.#places.markCorrupt(what, this.#transcript);
    this.#transcript.failure(`ERROR writing ${written}: Input/output error`);
    throw new CheckStopped('EIO');
  }

  #encode(index: number): Uint8Array {
    const { clustersPerBlock, width } = this.#refcounts;
    const block = new Uint8Array(this.#clusterBytes);
    const first = index * clustersPerBlock;
    const slots = Math.min(clustersPerBlock, this.#counting.clusters - first);
    for (let slot = 0; slot < slots; slot++) {
      const count = this.#counting.count(first + slot);
      if (count !== 0) width.set(block, slot, count);
    }
    return block;
  }

  /** Takes the first clusters in a row that nothing refers to; behind the end of the file if need be. */
  #allocate(clusters: number): number {
    let start = this.#firstFree;
    for (let index = start; index < start + clusters; index++) {
      if (this.#counting.tally.get(index) !== 0) start = index + 1;
    }
    this.#counting.tally.addRun(start, clusters, 1);
    this.#counting.clusters = Math.max(this.#counting.clusters, start + clusters);
    this.#firstFree = start + clusters;
    return start;
  }
}
