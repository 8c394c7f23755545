/**
 * A check that finds, says and repairs what QEMU 7.2 does, one thing after the other and in the same
 * places, for those who compare line by line. It follows every reference one by one, so it is for
 * images of which it is known already that something is wrong.
 */
import { divideUp } from '@diskfile/bytes';
import { type CheckContext, isWritable, type Step, type Storage } from '@diskfile/core';
import { INCOMPATIBLE } from '../../header/features.ts';
import { type CheckedHeader, readCheckedHeader } from '../checked-header.ts';
import { HeaderRepair } from '../repair/header-repair.ts';
import type { CheckedImage } from './checked-image.ts';
import { checkCopiedFlags } from './copied-flag-words.ts';
import { Counting } from './counting.ts';
import { knownPlaces } from './known-places.ts';
import { MetadataPlaces } from './metadata-places.ts';
import { OrderedRebuild } from './refcount-rebuild-in-order.ts';
import { RefcountFile } from './refcount-file.ts';
import { ReferenceWalk } from './reference-walk.ts';
import { SnapshotTableCheck } from './snapshot-table-check.ts';
import { CheckStopped, Transcript } from './transcript.ts';
import { WorkBudget } from './work-budget.ts';

export interface GenuineResult {
  readonly transcript: Transcript;
  readonly imageEndOffset: number;
  readonly totalClusters: number;
  /** Why it gave up. */
  readonly failure: 'EIO' | 'EINVAL' | 'EFBIG' | undefined;
}

/** @throws TooMuchWork what it has mended by then stays mended */
export function* genuineCheck(context: CheckContext): Step<GenuineResult> {
  const budget = new WorkBudget(context.storage.sizeBytes);
  const checked = yield* readCheckedHeader(context.storage);
  const refcounts = yield* RefcountFile.read(context.storage, checked.header, budget);
  return yield* new GenuineCheck(context, checked, refcounts, budget).run();
}

class GenuineCheck {
  readonly #context: CheckContext;
  readonly #storage: Storage;
  readonly #checked: CheckedHeader;
  readonly #refcounts: RefcountFile;
  readonly #budget: WorkBudget;
  readonly #transcript = new Transcript();
  readonly #places: MetadataPlaces;
  readonly #external: boolean;
  readonly #mendsLeaks: boolean;
  readonly #mendsErrors: boolean;
  #counting: Counting;
  #image: CheckedImage;
  #needsRebuild = false;
  #highestCluster = 0;

  constructor(
    context: CheckContext,
    checked: CheckedHeader,
    refcounts: RefcountFile,
    budget: WorkBudget,
  ) {
    this.#budget = budget;
    this.#context = context;
    this.#storage = context.storage;
    this.#checked = checked;
    this.#refcounts = refcounts;
    this.#external = checked.header.features.incompatible.has(INCOMPATIBLE.externalDataFile);
    this.#mendsLeaks = context.repair !== undefined;
    this.#mendsErrors = context.repair === 'all';
    const { maxStructureBytes } = context.limits;
    this.#places = new MetadataPlaces(this.#storage, checked.header, budget, maxStructureBytes);
    this.#counting = this.#newCounting(false);
    const { limits, storage } = context;
    const external = this.#external;
    const noSnapshots = { snapshots: [], snapshotTableBytes: 0 };
    this.#image = { storage, checked, refcounts, external, limits, ...noSnapshots };
  }

  *run(): Step<GenuineResult> {
    let failure: GenuineResult['failure'];
    try {
      yield* this.#run();
    } catch (error) {
      if (!(error instanceof CheckStopped)) throw error;
      failure = error.errno;
    }
    const { header } = this.#checked;
    return {
      transcript: this.#transcript,
      imageEndOffset: failure === undefined ? (this.#highestCluster + 1) * header.clusterBytes : 0,
      totalClusters: divideUp(header.sizeBytes, header.clusterBytes),
      failure,
    };
  }

  *#run(): Step<void> {
    const transcript = this.#transcript;
    const table = new SnapshotTableCheck(this.#storage, this.#checked, this.#mendsErrors);
    yield* table.read(transcript);
    const { snapshots, lengthBytes: snapshotTableBytes } = table;
    this.#image = { ...this.#image, snapshots, snapshotTableBytes };
    if (this.#mendsLeaks) this.#places.set(yield* knownPlaces(this.#image));
    yield* this.#checkRefcounts();
    if (this.#mendsErrors) yield* table.write(transcript, this.#refcounts, this.#places);
    transcript.corruptions += table.corruptions;
    transcript.corruptionsFixed += table.corruptionsFixed;
    const { storage } = this.#context;
    const isClean = transcript.checkErrors === 0 && transcript.corruptions === 0;
    if (!this.#mendsLeaks || !isClean || !isWritable(storage)) return;
    yield* new HeaderRepair(storage, this.#checked.header).clearDirtyAndCorrupt();
  }

  #newCounting(mends: boolean): Counting {
    const image = {
      storage: this.#storage,
      header: this.#checked.header,
      external: this.#external,
      limits: this.#context.limits,
      budget: this.#budget,
      mends,
      countMax: this.#refcounts.width.max,
    };
    return new Counting(image, this.#transcript, this.#places);
  }

  *#checkRefcounts(): Step<void> {
    const transcript = this.#transcript;
    this.#counting = this.#newCounting(this.#mendsErrors);
    yield* this.#countAll(this.#mendsErrors);
    const { corruptions, leaks } = transcript;
    yield* this.#compare(false, false);
    if (this.#needsRebuild && this.#mendsErrors) yield* this.#rebuild();
    else if (this.#mendsLeaks) {
      if (this.#needsRebuild) {
        transcript.say('ERROR need to rebuild refcount structures');
        throw new CheckStopped('EIO');
      }
      if (transcript.leaks > 0 || transcript.corruptions > 0) {
        transcript.corruptions = corruptions;
        transcript.leaks = leaks;
        yield* this.#compare(true, this.#mendsErrors);
      }
    }
    const isAllElseFine =
      transcript.checkErrors === 0 && transcript.corruptions === 0 && transcript.leaks === 0;
    yield* checkCopiedFlags({
      storage: this.#storage,
      header: this.#checked.header,
      external: this.#external,
      refcounts: this.#refcounts,
      transcript,
      places: this.#places,
      mends: this.#mendsErrors || (this.#mendsLeaks && isAllElseFine),
    });
  }

  /** @param isRehearsal tells what would be mended, and changes nothing */
  *#compare(mendsLeaks: boolean, mendsErrors: boolean, isRehearsal = false): Step<void> {
    const transcript = this.#transcript;
    this.#highestCluster = 0;
    for (let index = 0; index < this.#counting.clusters; index++) {
      this.#budget.spend(1);
      const unusedEnd = this.#unusedEnd(index);
      if (unusedEnd > index) {
        index = unusedEnd - 1;
        continue;
      }
      const stored = yield* this.#refcounts.get(index);
      if (stored === undefined) {
        const damage = this.#refcounts.misplacedBlock(index);
        yield* this.#places.noteDamage(damage, transcript, this.#mendsLeaks);
        this.#unreadable(index);
        continue;
      }
      const counted = this.#counting.count(index);
      if (stored > 0 || counted > 0) this.#highestCluster = index;
      if (stored === counted) continue;
      if (stored === 0) this.#needsRebuild = true;
      const isLeak = stored > counted;
      const mends = isLeak ? mendsLeaks : mendsErrors && stored > 0;
      const verb = mends ? 'Repairing' : isLeak ? 'Leaked' : 'ERROR';
      const cluster = index;
      transcript.say(() => `${verb} cluster ${cluster} refcount=${stored} reference=${counted}`);
      if (mends) {
        if (!isRehearsal) yield* this.#setCount(index, counted);
        if (isLeak) transcript.leaksFixed += 1;
        else transcript.corruptionsFixed += 1;
      } else if (isLeak) transcript.leaks += 1;
      else transcript.corruptions += 1;
    }
  }

  *#setCount(clusterIndex: number, count: number): Step<void> {
    if (count === 0) yield* this.#refcounts.release(clusterIndex);
    else yield* this.#refcounts.set(clusterIndex, count);
  }

  /** How far, within one refcount block, nothing is counted and nothing can be referred to. */
  #unusedEnd(clusterIndex: number): number {
    const { clustersPerBlock } = this.#refcounts;
    const block = Math.floor(clusterIndex / clustersPerBlock);
    const end = (block + 1) * clustersPerBlock;
    const isUnused =
      this.#refcounts.blockOffset(block) === 0 && this.#counting.tally.isBlank(clusterIndex, end);
    return isUnused ? end : clusterIndex;
  }

  #unreadable(clusterIndex: number): void {
    this.#transcript.checkError(
      `Can't get refcount for cluster ${clusterIndex}: Input/output error`,
    );
  }

  /** Counts all references anew. */
  *#countAll(mends: boolean): Step<void> {
    const walk = new ReferenceWalk(this.#image, this.#counting, this.#transcript);
    if (yield* walk.run(mends)) this.#needsRebuild = true;
  }

  *#rebuild(): Step<void> {
    const { storage } = this.#context;
    const transcript = this.#transcript;
    if (!isWritable(storage)) throw new Error('assertion failed: the storage is writable');
    const before = { corruptions: transcript.corruptions, leaks: transcript.leaks };
    transcript.say('Rebuilding refcount structure');
    const { clusterBytes } = this.#checked.header;
    const rebuild = new OrderedRebuild(
      storage,
      this.#counting,
      this.#refcounts,
      clusterBytes,
      this.#places,
      transcript,
      this.#budget,
    );
    yield* rebuild.run();
    transcript.corruptions = 0;
    transcript.leaks = 0;
    this.#needsRebuild = false;
    this.#places.set(yield* knownPlaces(this.#image));
    this.#counting = this.#newCounting(false);
    yield* this.#countAll(false);
    const { leaks, leaksFixed, corruptions } = transcript;
    // What the old structures took is free now, and nobody needs to hear of it. An image that is
    // given up afterwards keeps it: QEMU has changed these counts in memory alone.
    const isGivenUp = this.#context.forOpening === true && transcript.checkErrors > 0;
    yield* this.#compare(true, false, isGivenUp);
    if (this.#needsRebuild) transcript.say('ERROR rebuilt refcount structure is still broken');
    transcript.leaks = leaks;
    transcript.leaksFixed = leaksFixed;
    transcript.corruptions = Math.max(corruptions, transcript.corruptions);
    transcript.corruptionsFixed += Math.max(0, before.corruptions - transcript.corruptions);
    transcript.leaksFixed += Math.max(0, before.leaks - transcript.leaks);
  }
}
