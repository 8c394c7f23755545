/**
 * A check that finds, says and repairs what QEMU 7.2 does, one thing after the other and in the same
 * places, for those who compare line by line. It follows every reference one by one, so it is for
 * images of which it is known already that something is wrong.
 */
import { divideUp, readU32be } from '@diskfile/bytes';
import { type CheckContext, isWritable, readBytes, type Step, type Storage } from '@diskfile/core';
import { clusterOffset } from '../../l2-entry.ts';
import { BitmapReferences, vouchesForBitmaps } from '../bitmap-references.ts';
import { type CheckedHeader, readCheckedHeader } from '../checked-header.ts';
import { Findings } from '../findings.ts';
import { References } from '../references.ts';
import { INCOMPATIBLE } from '../../features.ts';
import { ReferenceTally } from '../../refcounts/reference-tally.ts';
import { HeaderRepair } from '../repair/header-repair.ts';
import { checkCopiedFlags } from './copied-flag-words.ts';
import { Counting } from './counting.ts';
import { type MetadataPlace, MetadataPlaces } from './metadata-places.ts';
import { OrderedRebuild } from './refcount-rebuild-in-order.ts';
import { RefcountFile } from './refcount-file.ts';
import { type NamedSnapshot, SnapshotTableCheck } from './snapshot-table-check.ts';
import { CheckStopped, hexOffset, Transcript } from './transcript.ts';
import { WorkBudget } from './work-budget.ts';

/** QEMU's own bound on an L1 table. */
const MAX_L1_ENTRIES = (32 * 1024 * 1024) / 8;

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
  #snapshots: readonly NamedSnapshot[] = [];
  #snapshotTableBytes = 0;
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
    this.#snapshots = table.snapshots;
    this.#snapshotTableBytes = table.lengthBytes;
    if (this.#mendsLeaks) yield* this.#notePlaces();
    yield* this.#checkRefcounts();
    if (this.#mendsErrors) yield* table.write(transcript, this.#refcounts);
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

  *#countAll(mends: boolean): Step<void> {
    const { header, extensions, snapshotsOffset } = this.#checked;
    const transcript = this.#transcript;
    transcript.allocatedClusters = 0;
    transcript.compressedClusters = 0;
    transcript.fragmentedClusters = 0;
    const counting = this.#counting;
    counting.add(0, header.clusterBytes);
    const { offset, entries } = header.l1Table;
    yield* counting.addL1({ hostOffset: offset, entries, isActive: true });
    yield* this.#countSnapshots();
    counting.add(snapshotsOffset, this.#snapshotTableBytes);
    counting.add(this.#refcounts.tableOffset, this.#refcounts.tableClusters * header.clusterBytes);
    const { encryptionHeader } = extensions;
    if (encryptionHeader !== undefined) {
      counting.add(encryptionHeader.offset, encryptionHeader.lengthBytes);
    }
    yield* this.#countBitmaps();
    yield* this.#countBlocks(mends);
  }

  *#countSnapshots(): Step<void> {
    const { clusterBytes } = this.#checked.header;
    const transcript = this.#transcript;
    if (this.#external && this.#snapshots.length > 0) {
      transcript.corruption(`ERROR ${this.#snapshots.length} snapshots in image with data file`);
      return;
    }
    for (const { id, name, l1Offset, l1Entries } of this.#snapshots) {
      const what = `ERROR snapshot ${id} (${name})`;
      if (l1Offset % clusterBytes !== 0) {
        transcript.corruption(
          `${what} l1_offset=0x${hexOffset(l1Offset)}: L1 table is not cluster aligned; snapshot table entry corrupted`,
        );
      } else if (l1Entries > MAX_L1_ENTRIES) {
        transcript.corruption(
          `${what} l1_size=0x${l1Entries.toString(16)}: L1 table is too large; snapshot table entry corrupted`,
        );
      } else {
        const table = { hostOffset: l1Offset, entries: l1Entries, isActive: false };
        yield* this.#counting.addL1(table);
      }
    }
  }

  /** QEMU says nothing of what is wrong with bitmaps. */
  *#countBitmaps(): Step<void> {
    const { header, extensions } = this.#checked;
    if (!vouchesForBitmaps(this.#checked) || extensions.bitmaps === undefined) return;
    const { limits } = this.#context;
    const { clusterBytes } = header;
    const findings = new Findings();
    const tally = new ReferenceTally(limits.maxStructureBytes);
    const fileBytes = this.#storage.sizeBytes;
    const bounds = { clusterBytes, fileBytes, countMax: this.#refcounts.width.max };
    const references = new References(bounds, tally, findings);
    yield* new BitmapReferences(this.#storage, clusterBytes, limits, references, findings).add(
      extensions.bitmaps,
    );
    this.#transcript.corruptions += findings.corruptions;
    for (const { start, count } of tally.runs()) {
      for (let index = start; index < start + count; index++) {
        for (let times = tally.get(index); times > 0; times--) {
          this.#counting.add(index * clusterBytes, clusterBytes);
        }
      }
    }
  }

  *#countBlocks(mends: boolean): Step<void> {
    const { clusterBytes } = this.#checked.header;
    const refcounts = this.#refcounts;
    const counting = this.#counting;
    const transcript = this.#transcript;
    for (let index = 0; index < refcounts.blocks; index++) {
      const offset = refcounts.blockOffset(index);
      if (refcounts.hasReservedBits(index)) {
        transcript.corruption(`ERROR refcount table entry ${index} has reserved bits set`);
        this.#needsRebuild = true;
      } else if (offset % clusterBytes !== 0) {
        transcript.corruption(
          `ERROR refcount block ${index} is not cluster aligned; refcount table entry corrupted`,
        );
        this.#needsRebuild = true;
      } else if (offset / clusterBytes >= counting.clusters) {
        yield* this.#blockOutside(index, offset, mends);
      } else if (offset !== 0) {
        counting.add(offset, clusterBytes);
        const count = counting.count(offset / clusterBytes);
        if (count === 1) continue;
        transcript.corruption(`ERROR refcount block ${index} refcount=${count}`);
        this.#needsRebuild = true;
      }
    }
  }

  /** A file that was cut has the block again, empty, when it is made longer. */
  *#blockOutside(index: number, offset: number, mends: boolean): Step<void> {
    const transcript = this.#transcript;
    const { clusterBytes } = this.#checked.header;
    const verb = mends ? 'Repairing' : 'ERROR';
    transcript.corruption(`${verb} refcount block ${index} is outside image`);
    if (!mends) return;
    try {
      yield* this.#refcounts.extendTo(offset + clusterBytes);
    } catch {
      this.#needsRebuild = true;
      transcript.say('ERROR could not resize image: File too large');
      return;
    }
    transcript.corruptions -= 1;
    transcript.corruptionsFixed += 1;
    this.#counting.add(offset, clusterBytes);
  }

  *#compare(mendsLeaks: boolean, mendsErrors: boolean): Step<void> {
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
        if (counted === 0) yield* this.#refcounts.release(index);
        else yield* this.#refcounts.set(index, counted);
        if (isLeak) transcript.leaksFixed += 1;
        else transcript.corruptionsFixed += 1;
      } else if (isLeak) transcript.leaks += 1;
      else transcript.corruptions += 1;
    }
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
    yield* this.#notePlaces();
    this.#counting = this.#newCounting(false);
    yield* this.#countAll(false);
    const { leaks, leaksFixed, corruptions } = transcript;
    // What the old structures took is free now, and nobody needs to hear of it.
    yield* this.#compare(true, false);
    if (this.#needsRebuild) transcript.say('ERROR rebuilt refcount structure is still broken');
    transcript.leaks = leaks;
    transcript.leaksFixed = leaksFixed;
    transcript.corruptions = Math.max(corruptions, transcript.corruptions);
    transcript.corruptionsFixed += Math.max(0, before.corruptions - transcript.corruptions);
    transcript.leaksFixed += Math.max(0, before.leaks - transcript.leaks);
  }

  /** In the order in which QEMU looks for what would be overwritten. */
  *#notePlaces(): Step<void> {
    const { header, snapshotsOffset } = this.#checked;
    const { clusterBytes, l1Table } = header;
    const refcounts = this.#refcounts;
    const l1 = yield* readBytes(this.#storage, l1Table.offset, l1Table.entries * 8);
    const l2Tables = Array.from({ length: l1Table.entries }, (_, index) => ({
      what: 'active L2 table',
      hostOffset: clusterOffset(readU32be(l1, index * 8), readU32be(l1, index * 8 + 4)),
      lengthBytes: clusterBytes,
    }));
    const blocks = Array.from({ length: refcounts.blocks }, (_, index) => ({
      what: 'refcount block',
      hostOffset: refcounts.blockOffset(index),
      lengthBytes: clusterBytes,
    }));
    const isUsed = ({ hostOffset }: MetadataPlace): boolean => hostOffset !== 0;
    this.#places.set([
      { what: 'qcow2_header', hostOffset: 0, lengthBytes: clusterBytes },
      { what: 'active L1 table', hostOffset: l1Table.offset, lengthBytes: l1Table.entries * 8 },
      ...l2Tables.filter(isUsed),
      {
        what: 'refcount table',
        hostOffset: refcounts.tableOffset,
        lengthBytes: refcounts.tableClusters * clusterBytes,
      },
      {
        what: 'snapshot table',
        hostOffset: snapshotsOffset,
        lengthBytes: this.#snapshotTableBytes,
      },
      ...this.#snapshots.map(({ l1Offset, l1Entries }) => ({
        what: 'inactive L1 table',
        hostOffset: l1Offset,
        lengthBytes: l1Entries * 8,
      })),
      ...blocks.filter(isUsed),
    ]);
  }
}
