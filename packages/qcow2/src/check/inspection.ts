/** Looks at all metadata of an image and changes nothing. */
import { divideUp, DiskError } from '@diskfile/bytes';
import {
  type CheckProgress,
  type Limits,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { INCOMPATIBLE } from '../features.ts';
import type { Qcow2Header } from '../header.ts';
import { ReferenceTally } from '../refcounts/reference-tally.ts';
import { BitmapReferences, bitmapsOf } from './bitmap-references.ts';
import { type CheckedHeader, readCheckedHeader } from './checked-header.ts';
import { CopiedFlags } from './copied-flags.ts';
import { coverage } from './coverage.ts';
import { Findings } from './findings.ts';
import { GuestPlaces } from './guest-places.ts';
import { L2Check } from './l2-check.ts';
import { L2Tables } from './l2-tables.ts';
import { checkRefcountBlocks } from './refcount-blocks.ts';
import { RefcountComparison } from './refcount-comparison.ts';
import { type HostRegion, References } from './references.ts';
import {
  readSnapshotEntries,
  type SnapshotEntries,
  type SnapshotEntry,
} from './snapshot-entries.ts';
import { StoredRefcounts } from './stored-refcounts.ts';
import { TableReader } from './table-reader.ts';
import { tooLarge } from './too-large.ts';

/** QEMU's own bound on an L1 table. */
const MAX_L1_BYTES = 32 * 1024 * 1024;
/** QEMU counts clusters of the file in a signed 32-bit number. */
const MAX_FILE_CLUSTERS = 2 ** 31 - 1;

export interface InspectionContext {
  readonly storage: Storage;
  readonly limits: Limits;
  onProgress(progress: CheckProgress): void;
}

export class Inspection {
  readonly findings = new Findings();
  readonly #storage: Storage;
  readonly #limits: Limits;
  readonly #onProgress: (progress: CheckProgress) => void;
  readonly #checked: CheckedHeader;
  readonly #header: Qcow2Header;
  readonly #external: boolean;
  readonly #references: References;
  readonly #tables: L2Tables;
  readonly #l1: Uint8Array;
  readonly #stored: StoredRefcounts;
  readonly #flags: CopiedFlags;
  readonly #l2Check: L2Check;
  readonly #comparison: RefcountComparison;
  #done = 0;
  #total = 0;

  private constructor(
    context: InspectionContext,
    checked: CheckedHeader,
    l1: Uint8Array,
    stored: StoredRefcounts,
  ) {
    const { storage, limits } = context;
    const { header } = checked;
    const { clusterBytes } = header;
    const { findings } = this;
    this.#storage = storage;
    this.#limits = limits;
    this.#onProgress = (progress) => context.onProgress(progress);
    this.#checked = checked;
    this.#header = header;
    this.#external = header.features.incompatible.has(INCOMPATIBLE.externalDataFile);
    this.#l1 = l1;
    this.#stored = stored;
    const bounds = { clusterBytes, fileBytes: storage.sizeBytes, countMax: stored.width.max };
    const tally = new ReferenceTally(limits.maxStructureBytes);
    this.#references = new References(bounds, tally, findings);
    this.#tables = new L2Tables(storage, clusterBytes, limits, this.#references, findings);
    const places = new GuestPlaces(l1, clusterBytes, clusterBytes / (header.extendedL2 ? 16 : 8));
    this.#flags = new CopiedFlags(header, this.#external, stored);
    this.#l2Check = new L2Check(
      header,
      this.#external,
      this.#references,
      findings,
      places,
      this.#flags,
    );
    this.#comparison = new RefcountComparison(stored, this.#references, clusterBytes, findings);
  }

  /** @throws DiskError `corrupt` or `unsupported` for a header that says too little, `limit`, `io` */
  static *run(context: InspectionContext): Step<Inspection> {
    const { storage, limits } = context;
    const checked = yield* readCheckedHeader(storage);
    const { l1Table, clusterBytes } = checked.header;
    if (storage.sizeBytes / clusterBytes > MAX_FILE_CLUSTERS) throw tooManyClusters();
    if (l1Table.entries * 8 > limits.maxStructureBytes) {
      throw tooLarge('L1 table', l1Table.offset);
    }
    const l1 = yield* readBytes(storage, l1Table.offset, l1Table.entries * 8);
    const stored = yield* StoredRefcounts.read(storage, checked.header, limits);
    const inspection = new Inspection(context, checked, l1, stored);
    yield* inspection.#run();
    return inspection;
  }

  get counts() {
    const { clusterBytes, sizeBytes } = this.#header;
    const { allocatedClusters, compressedClusters, fragmentedClusters } = this.#l2Check;
    return {
      imageEndOffset: (this.#comparison.highestCluster + 1) * clusterBytes,
      totalClusters: divideUp(sizeBytes, clusterBytes),
      allocatedClusters,
      compressedClusters,
      fragmentedClusters,
    };
  }

  *#run(): Step<void> {
    const snapshots = yield* readSnapshotEntries(this.#storage, this.#checked, this.findings);
    yield* this.#stored.noteSoleUses();
    yield* this.#addRegions(snapshots);
    yield* this.#checkL2Tables();
    this.#checkL1Flags();
    const { clusterBytes } = this.#header;
    checkRefcountBlocks(this.#stored, this.#references, clusterBytes, this.findings);
    yield* this.#comparison.run(() => this.#advance(0));
  }

  /** Everything that takes clusters but L2 tables, what they map, and refcount blocks. */
  *#addRegions(snapshots: SnapshotEntries): Step<void> {
    const { clusterBytes, l1Table, refcountTable } = this.#header;
    const references = this.#references;
    references.addRegion('header', { hostOffset: 0, lengthBytes: clusterBytes });
    yield* this.#addL1Tables('L1 table', [
      { hostOffset: l1Table.offset, lengthBytes: l1Table.entries * 8 },
    ]);
    yield* this.#addL1Tables("snapshot's L1 table", this.#l1TablesOf(snapshots));
    references.addRegion('snapshot table', {
      hostOffset: this.#checked.snapshotsOffset,
      lengthBytes: snapshots.lengthBytes,
    });
    references.addRegion('refcount table', {
      hostOffset: refcountTable.offset,
      lengthBytes: refcountTable.clusters * clusterBytes,
    });
    const { encryptionHeader } = this.#checked.extensions;
    if (encryptionHeader !== undefined) {
      const { offset: hostOffset, lengthBytes } = encryptionHeader;
      references.addRegion('encryption header', { hostOffset, lengthBytes });
    }
    const bitmaps = bitmapsOf(this.#checked);
    if (bitmaps !== undefined) yield* this.#bitmapReferences().add(bitmaps);
  }

  #bitmapReferences(): BitmapReferences {
    const { clusterBytes } = this.#header;
    return new BitmapReferences(
      this.#storage,
      clusterBytes,
      this.#limits,
      this.#references,
      this.findings,
    );
  }

  /** The L1 tables of snapshots that can be one. */
  #l1TablesOf({ list }: SnapshotEntries): HostRegion[] {
    if (this.#external && list.length > 0) {
      this.findings.corruption(1, () => ({
        detail: 'qcow2.check.snapshots-external',
        message: 'There are snapshots in an image with an external data file',
      }));
    }
    return list
      .filter((snapshot) => this.#hasPossibleL1(snapshot))
      .map(({ l1Offset, l1Entries }) => ({ hostOffset: l1Offset, lengthBytes: l1Entries * 8 }));
  }

  #hasPossibleL1({ l1Offset, l1Entries }: SnapshotEntry): boolean {
    const isAligned = l1Offset % this.#header.clusterBytes === 0;
    if (isAligned && l1Entries * 8 <= MAX_L1_BYTES) return true;
    this.findings.brokenReference(1, () => ({
      detail: 'qcow2.check.snapshot-l1-table',
      message: isAligned
        ? `A snapshot's L1 table has ${l1Entries} entries, more than there can be`
        : "A snapshot's L1 table does not begin at a cluster",
      hostOffset: l1Offset,
    }));
    return false;
  }

  *#addL1Tables(what: string, regions: readonly HostRegion[]): Step<void> {
    this.#references.addRegions(what, regions);
    const { sizeBytes } = this.#storage;
    const parts = coverage(
      regions.map(({ hostOffset, lengthBytes }) => ({
        start: hostOffset,
        end: Math.min(hostOffset + lengthBytes, divideUp(sizeBytes, 8) * 8),
      })),
    );
    for (const part of parts) yield* this.#tables.addEntries(part, what === 'L1 table');
  }

  *#checkL2Tables(): Step<void> {
    const { hostOffsets } = this.#tables;
    this.#total = hostOffsets.length;
    yield* new TableReader(this.#storage, this.#header.clusterBytes).each(
      hostOffsets,
      (entries, index) => {
        const hostOffset = hostOffsets[index]!;
        const uses = this.#tables.usesOf(hostOffset);
        const activeUses = this.#tables.activeUsesOf(hostOffset);
        this.#l2Check.check(entries, { hostOffset, uses, activeUses });
      },
      (visited) => this.#advance(visited - this.#done),
    );
  }

  #checkL1Flags(): void {
    const { buffer, byteOffset, length } = this.#l1;
    this.#flags.compareL1(new DataView(buffer, byteOffset, length), (at, shouldBeSet) => {
      this.findings.wrongCopiedFlag(this.#header.l1Table.offset + at, shouldBeSet, 1);
    });
  }

  #advance(tables: number): void {
    this.#done += tables;
    this.#onProgress({ done: this.#done, total: this.#total });
  }
}

function tooManyClusters(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.check.file-too-large',
    `The file has more than ${MAX_FILE_CLUSTERS} clusters`,
    { hint: 'Convert the image to one with larger clusters.' },
  );
}
