/** Looks at all metadata of an image and changes nothing. */
import { divideUp, DiskError } from '@diskfile/bytes';
import {
  type CheckProgress,
  type Limits,
  readBytes,
  type RepairMode,
  type Step,
  type Storage,
} from '@diskfile/core';
import { INCOMPATIBLE } from '../header/features.ts';
import type { Qcow2Header } from '../header/header.ts';
import { hex } from '../errors.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { ReferenceTally } from '../refcounts/reference-tally.ts';
import { BitmapReferences, vouchesForBitmaps } from './bitmap-references.ts';
import { type CheckedHeader, readCheckedHeader } from './checked-header.ts';
import { CopiedFlags } from './copied-flags.ts';
import { coverage } from './coverage.ts';
import { Findings } from './findings.ts';
import { GuestPlaces } from './guest-places.ts';
import { L2Check } from './l2-check.ts';
import { L2Tables } from './l2-tables.ts';
import { checkRefcountBlocks, type RefcountBlockPlaces } from './refcount-blocks.ts';
import { RefcountComparison } from './refcount-comparison.ts';
import { MetadataRegions, type Owner } from './metadata-regions.ts';
import { OwnedClusters } from './owned-clusters.ts';
import { type HostRegion, References } from './references.ts';
import { NO_SNAPSHOTS, readSnapshotEntries, type SnapshotEntries } from './snapshot-entries.ts';
import { regionOf, SnapshotL1Tables } from './snapshot-l1.ts';
import { StoredRefcounts } from './stored-refcounts.ts';
import { TableReader } from './table-reader.ts';
import { tooLarge } from './too-large.ts';

/** QEMU counts clusters of the file in a signed 32-bit number. */
const MAX_FILE_CLUSTERS = 2 ** 31 - 1;

export interface InspectionContext {
  readonly storage: Storage;
  readonly limits: Limits;
  readonly repair: RepairMode | undefined;
  onProgress(progress: CheckProgress): void;
}

export class Inspection {
  readonly findings = new Findings();
  readonly header: Qcow2Header;
  /** Whether an external data file holds the clusters of the guest. */
  readonly external: boolean;
  readonly references: References;
  readonly stored: StoredRefcounts;
  readonly l2Tables: L2Tables;
  readonly flags: CopiedFlags;
  readonly comparison: RefcountComparison;
  /** The active L1 table. */
  readonly l1: Uint8Array;
  /** L1 tables of snapshots, as far as they are within the file. */
  readonly snapshotL1Regions: HostRegion[] = [];
  /** For a repair only. */
  readonly owned: OwnedClusters | undefined;
  /** What L1 entries call L2 tables, and hardly is one. */
  readonly oddTables = new Set<number>();
  snapshots: SnapshotEntries = NO_SNAPSHOTS;
  /**
   * What takes clusters for anything but L2 tables, data and refcount blocks. Refcount blocks are not
   * among it: what names them is no better than an L1 entry.
   */
  readonly regions: MetadataRegions;
  blockPlaces: RefcountBlockPlaces = { isBroken: false, counted: [] };
  areBitmapsDamaged = false;
  readonly #context: InspectionContext;
  readonly #checked: CheckedHeader;
  readonly #l2Check: L2Check;
  private constructor(
    context: InspectionContext,
    checked: CheckedHeader,
    l1: Uint8Array,
    stored: StoredRefcounts,
  ) {
    const { storage, limits, repair } = context;
    const { header } = checked;
    const { clusterBytes } = header;
    const { findings } = this;
    this.#context = context;
    this.#checked = checked;
    this.header = header;
    this.external = header.features.incompatible.has(INCOMPATIBLE.externalDataFile);
    this.l1 = l1;
    this.stored = stored;
    const bounds = { clusterBytes, fileBytes: storage.sizeBytes, countMax: stored.width.max };
    const tally = new ReferenceTally(limits.maxStructureBytes);
    this.references = new References(bounds, tally, findings);
    this.owned =
      repair === undefined ? undefined : new OwnedClusters(clusterBytes, limits.maxStructureBytes);
    this.regions = new MetadataRegions(clusterBytes, stored, this.owned);
    this.l2Tables = new L2Tables(storage, clusterBytes, limits, this.references, findings);
    this.flags = new CopiedFlags(header, this.external, stored);
    this.#l2Check = new L2Check({
      header,
      external: this.external,
      references: this.references,
      owned: this.owned,
      findings,
      places: new GuestPlaces(l1, clusterBytes, clusterBytes / (header.extendedL2 ? 16 : 8)),
      flags: this.flags,
    });
    this.comparison = new RefcountComparison(stored, this.references, clusterBytes, findings);
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
    const { clusterBytes, sizeBytes } = this.header;
    const { allocatedClusters, compressedClusters, fragmentedClusters } = this.#l2Check;
    return {
      imageEndOffset: (this.comparison.highestCluster + 1) * clusterBytes,
      totalClusters: divideUp(sizeBytes, clusterBytes),
      allocatedClusters,
      compressedClusters,
      fragmentedClusters,
    };
  }

  get dataFileName(): string | undefined {
    return this.#checked.extensions.dataFileName;
  }

  /** Whether the refcounts cannot be put right where they are. */
  get needsRebuild(): boolean {
    return this.blockPlaces.isBroken || this.comparison.lacksBlocks;
  }

  *#run(): Step<void> {
    const { storage, repair } = this.#context;
    const { findings } = this;
    this.snapshots = yield* readSnapshotEntries(storage, this.#checked, findings, repair === 'all');
    yield* this.stored.noteSoleUses();
    yield* this.#addRegions();
    yield* this.#checkL2Tables();
    this.#checkL1Flags();
    const { clusterBytes } = this.header;
    this.blockPlaces = checkRefcountBlocks(this.stored, this.references, clusterBytes, findings);
    for (const hostOffset of this.blockPlaces.counted) {
      this.owned?.addRegion({ hostOffset, lengthBytes: clusterBytes });
    }
    this.#noteMisnamedTables();
    yield* this.comparison.run();
  }

  /** QEMU finds nothing wrong with L1 entries that name tables of other kinds. */
  #noteMisnamedTables(): void {
    const metadata = new ClusterRuns();
    for (const { start, end } of this.regions.clusters) {
      metadata.add({ start, count: end - start });
    }
    for (const hostOffset of this.l2Tables.hostOffsets) {
      if (!metadata.has(Math.floor(hostOffset / this.header.clusterBytes))) continue;
      this.findings.misnamingEntry(this.l2Tables.usesOf(hostOffset), () => ({
        detail: 'qcow2.check.l1-entry-misplaced',
        message: `What is at ${hex(hostOffset)} is no L2 table, though an L1 entry names it`,
        hostOffset,
      }));
    }
  }

  /** Everything that takes clusters but L2 tables, what they map, and refcount blocks. */
  *#addRegions(): Step<void> {
    const { clusterBytes, l1Table, refcountTable } = this.header;
    this.#addRegion('header', { hostOffset: 0, lengthBytes: clusterBytes }, 'disk');
    yield* this.#addL1Tables('disk', [
      { hostOffset: l1Table.offset, lengthBytes: l1Table.entries * 8 },
    ]);
    const refcountBytes = refcountTable.clusters * clusterBytes;
    const refcounts = { hostOffset: refcountTable.offset, lengthBytes: refcountBytes };
    this.#addRegion('refcount table', refcounts, 'refcounts');
    const { encryptionHeader } = this.#checked.extensions;
    if (encryptionHeader !== undefined) {
      const { offset: hostOffset, lengthBytes } = encryptionHeader;
      this.#addRegion('encryption header', { hostOffset, lengthBytes }, 'disk');
    }
    if (this.owned !== undefined) this.#ownL2Tables(this.owned);
    yield* this.#addL1Tables('others', yield* this.#snapshotL1Tables());
    const { lengthBytes } = this.snapshots;
    const snapshotTable = { hostOffset: this.#checked.snapshotsOffset, lengthBytes };
    this.#addRegion('snapshot table', snapshotTable, 'others');
    if (vouchesForBitmaps(this.#checked)) yield* this.#addBitmaps();
  }

  /** To be called when no L1 table but the active one is known. */
  #ownL2Tables(owned: OwnedClusters): void {
    for (const hostOffset of this.l2Tables.hostOffsets) {
      const region = { hostOffset, lengthBytes: this.header.clusterBytes };
      owned.addRegion(region, this.l2Tables.activeUsesOf(hostOffset));
    }
  }

  #addRegion(what: string, region: HostRegion, owner: Owner): void {
    if (this.references.addRegion(what, region)) this.regions.add(region, owner);
  }

  *#addBitmaps(): Step<void> {
    const { storage, limits } = this.#context;
    const { clusterBytes } = this.header;
    const { references, findings } = this;
    const extension = this.#checked.extensions.bitmaps;
    if (extension === undefined) {
      this.areBitmapsDamaged = true;
      findings.uncounted(() => ({
        detail: 'qcow2.check.bitmap',
        message: 'The header vouches for bitmaps, and names none',
        hostOffset: 88,
      }));
      return;
    }
    const bitmaps = new BitmapReferences(storage, clusterBytes, limits, references, findings);
    const { brokenReferences } = findings;
    yield* bitmaps.add(extension);
    // What a damaged bitmap refers to is of no use without it.
    findings.brokenReferences = brokenReferences;
    this.areBitmapsDamaged = bitmaps.isDamaged;
    for (const region of bitmaps.regions) this.regions.add(region, 'others');
  }

  /** The L1 tables of snapshots that can be one. */
  *#snapshotL1Tables(): Step<HostRegion[]> {
    const { list } = this.snapshots;
    const { references, findings, header, owned } = this;
    if (this.external && list.length > 0) {
      findings.corruption(1, () => ({
        detail: 'qcow2.check.snapshots-external',
        message: 'There are snapshots in an image with an external data file',
      }));
    }
    const { storage } = this.#context;
    const tables = new SnapshotL1Tables({ storage, header, references, findings });
    const possible = tables.possible(list);
    if (owned === undefined || possible.length === 0) return possible.map(regionOf);
    return yield* tables.credible(possible, this.#ownedTables());
  }

  /** Structures besides those of snapshots and bitmaps, in the order of their places. */
  #ownedTables(): HostRegion[] {
    const { clusterBytes } = this.header;
    const active = [...this.l2Tables.hostOffsets].map((hostOffset) => ({
      hostOffset,
      lengthBytes: clusterBytes,
    }));
    return [...this.regions.own, ...active].toSorted((a, b) => a.hostOffset - b.hostOffset);
  }

  *#addL1Tables(owner: Owner, regions: readonly HostRegion[]): Step<void> {
    const isActive = owner === 'disk';
    const within = this.references.addRegions(
      isActive ? 'L1 table' : "snapshot's L1 table",
      regions,
    );
    for (const region of within) {
      this.regions.add(region, owner);
      if (!isActive) this.snapshotL1Regions.push(region);
    }
    const { sizeBytes } = this.#context.storage;
    // A repair leaves alone what is cut; QEMU goes by as much as there is.
    const followed = this.owned === undefined || isActive ? regions : within;
    const parts = coverage(
      followed.map(({ hostOffset, lengthBytes }) => ({
        start: hostOffset,
        end: Math.min(hostOffset + lengthBytes, divideUp(sizeBytes, 8) * 8),
      })),
    );
    for (const part of parts) yield* this.l2Tables.addEntries(part, isActive);
  }

  *#checkL2Tables(): Step<void> {
    const { hostOffsets } = this.l2Tables;
    const reader = new TableReader(this.#context.storage, this.header.clusterBytes);
    const visit = (entries: DataView, index: number) => {
      const hostOffset = hostOffsets[index]!;
      const uses = this.l2Tables.usesOf(hostOffset);
      const activeUses = this.l2Tables.activeUsesOf(hostOffset);
      const isOdd = this.#l2Check.check(entries, { hostOffset, uses, activeUses });
      if (isOdd) this.oddTables.add(hostOffset);
    };
    const context = this.#context;
    let done = 0;
    yield* reader.each(hostOffsets, visit, function* (visited) {
      done += visited;
      context.onProgress({ done, total: hostOffsets.length });
    });
  }

  #checkL1Flags(): void {
    const { buffer, byteOffset, length } = this.l1;
    this.flags.compareL1(new DataView(buffer, byteOffset, length), (at, shouldBeSet) => {
      this.findings.wrongCopiedFlag(this.header.l1Table.offset + at, shouldBeSet, 1);
    });
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
