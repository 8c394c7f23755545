/**
 * Puts right the entries of L1 and L2 tables that can be without a change to what the disk holds,
 * and the copied flags. Each entry lies within one sector, so it changes at one instant.
 */
import { clearBits, maskBits, setBits } from '@diskfile/bytes';
import { type DirtyRange, flushStorage, type Step, type WritableStorage } from '@diskfile/core';
import {
  clusterOffset,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
} from '../../tables/l2-entry.ts';
import { ClusterRuns } from '../../refcounts/cluster-runs.ts';
import { type CoveredPart, coverage } from '../coverage.ts';
import { HostClusterField } from '../host-cluster.ts';
import type { Inspection } from '../inspection.ts';
import type { HostRegion } from '../references.ts';
import { TableRewriting } from './table-rewriting.ts';

const COPIED_HIGH = 0x8000_0000;
const COPIED_AND_OFFSET_HIGH = 0x80ff_ffff;
const ZERO_FLAG = 1;
const ALL_BITS = 0xffff_ffff;
const L1_RESERVED_HIGH = 0x7f00_0000;
const L1_RESERVED_LOW = 0x1ff;
const L2_RESERVED_HIGH = 0x3f00_0000;
const L2_RESERVED_LOW = 0x1fe;

class KnownMetadata {
  readonly clusters = new ClusterRuns();
  /** Those of them that hold several things. */
  readonly shared = new ClusterRuns();

  constructor(parts: readonly CoveredPart[]) {
    for (const { start, end, times } of parts) {
      const run = { start, count: end - start };
      this.clusters.add(run);
      if (times > 1) this.shared.add(run);
    }
  }
}

export class EntryRepair {
  /** L2 tables that have been given up, and with them what nothing else knows of. */
  tablesGivenUp = 0;
  /** Clusters of the disk whose data is not to be found. */
  clustersGivenUp = 0;
  readonly #storage: WritableStorage;
  readonly #inspection: Inspection;
  readonly #rewriting: TableRewriting;
  readonly #hostCluster: HostClusterField;
  /** Clusters that hold known metadata. */
  readonly #all: KnownMetadata;
  /** The same without what snapshots and bitmaps take, which has no say in the active tables. */
  readonly #own: KnownMetadata;

  constructor(storage: WritableStorage, inspection: Inspection) {
    const { clusterBytes, clusterBits } = inspection.header;
    this.#storage = storage;
    this.#inspection = inspection;
    this.#rewriting = new TableRewriting(storage, clusterBytes);
    this.#hostCluster = new HostClusterField(clusterBits);
    this.#all = new KnownMetadata(inspection.regions.clusters);
    this.#own = new KnownMetadata(inspection.regions.ownClusters);
  }

  /**
   * Puts right all entries of tables. What cannot be where an entry says, and
   * is not found nearby either, is given up: it reads as zeros from then on.
   */
  *mendEntries(): Step<void> {
    const { snapshotL1Regions, l2Tables } = this.#inspection;
    yield* this.#eachL1Cluster(this.#activeL1(), true, (entries, changed) =>
      this.#mendL1(entries, true, changed),
    );
    yield* this.#eachL1Cluster(snapshotL1Regions, false, (entries, changed) =>
      this.#mendL1(entries, false, changed),
    );
    const tables = l2Tables.hostOffsets.filter((hostOffset) => {
      const isActive = l2Tables.activeUsesOf(hostOffset) > 0;
      return this.#isTable(hostOffset, isActive) && (isActive || !this.#isOwned(hostOffset));
    });
    yield* this.#rewriting.each(tables, (entries, index, changed) => {
      this.#mendL2(entries, l2Tables.usesOf(tables[index]!), changed);
    });
    yield* flushStorage(this.#storage);
  }

  /** Sets or clears the flags of the active tables, after the refcounts as they are stored. */
  *setCopiedFlags(): Step<void> {
    const { flags, l2Tables } = this.#inspection;
    yield* this.#eachL1Cluster(this.#activeL1(), true, (entries, changed) => {
      flags.compareL1(entries, (at, copied) => this.#setCopied(entries, at, copied, changed));
    });
    const tables = l2Tables.hostOffsets.filter(
      (hostOffset) =>
        l2Tables.activeUsesOf(hostOffset) > 0 &&
        flags.isComparable(hostOffset) &&
        this.#isTable(hostOffset, true),
    );
    yield* this.#rewriting.each(tables, (entries, _, changed) => {
      flags.compareL2(entries, (at, copied) => this.#setCopied(entries, at, copied, changed));
    });
    yield* flushStorage(this.#storage);
  }

  /** A flag is set only where the cluster is indeed used once: it permits to overwrite. */
  #setCopied(entries: DataView, at: number, copied: boolean, changed: DirtyRange): void {
    const { external, references } = this.#inspection;
    const high = entries.getUint32(at);
    const low = entries.getUint32(at + 4);
    if (!copied) setEntry(entries, at, clearBits(high, COPIED_HIGH), low, changed);
    else if (external || references.tally.get(this.#hostCluster.index(high, low)) === 1) {
      setEntry(entries, at, setBits(high, COPIED_HIGH), low, changed);
    }
  }

  #mendL1(entries: DataView, isActive: boolean, changed: DirtyRange): void {
    for (let at = 0; at + 8 <= entries.byteLength; at += 8) {
      const high = entries.getUint32(at);
      const low = entries.getUint32(at + 4);
      const hostOffset = clusterOffset(high, low);
      if (hostOffset === 0) setEntry(entries, at, 0, 0, changed);
      else if (!this.#isMisplaced(high, low) && this.#isTable(hostOffset, isActive)) {
        const newHigh = clearBits(high, L1_RESERVED_HIGH);
        setEntry(entries, at, newHigh, clearBits(low, L1_RESERVED_LOW), changed);
      } else if (this.#isFoundNearby(high, low, 1)) this.#setNearby(entries, at, changed);
      else {
        this.tablesGivenUp += 1;
        setEntry(entries, at, 0, 0, changed);
      }
    }
  }

  #mendL2(entries: DataView, uses: number, changed: DirtyRange): void {
    const { extendedL2 } = this.#inspection.header;
    for (let at = 0; at < entries.byteLength; at += extendedL2 ? 16 : 8) {
      const high = entries.getUint32(at);
      if (isCompressed(high)) this.#mendCompressed(entries, at, changed);
      else {
        const low = entries.getUint32(at + 4);
        if (this.#isMisplacedCluster(high, low)) this.#mendMisplaced(entries, at, uses, changed);
        else {
          const newHigh = clearBits(high, L2_RESERVED_HIGH);
          setEntry(entries, at, newHigh, clearBits(low, L2_RESERVED_LOW), changed);
        }
        if (extendedL2) this.#mendBitmap(entries, at, changed);
      }
    }
  }

  #mendCompressed(entries: DataView, at: number, changed: DirtyRange): void {
    const { external, references, header } = this.#inspection;
    const high = entries.getUint32(at);
    const low = entries.getUint32(at + 4);
    const hostOffset = compressedOffset(high, low, header.clusterBits);
    const lengthBytes = compressedLength(high, low, header.clusterBits);
    if (external || references.isBeyondEnd(hostOffset, lengthBytes)) {
      this.#setZeros(entries, at, ALL_BITS, changed);
      return;
    }
    setEntry(entries, at, clearBits(high, COPIED_HIGH), low, changed);
    if (header.extendedL2) setEntry(entries, at + 8, 0, 0, changed);
  }

  #mendMisplaced(entries: DataView, at: number, uses: number, changed: DirtyRange): void {
    const high = entries.getUint32(at);
    const low = entries.getUint32(at + 4);
    const { extendedL2 } = this.#inspection.header;
    const dataBits = extendedL2 ? entries.getUint32(at + 12) : clearBits(1, low);
    if (dataBits !== 0 && this.#isFoundNearby(high, low, uses)) {
      this.#setNearby(entries, at, changed);
    } else this.#setZeros(entries, at, dataBits, changed);
  }

  /** What the entry had in a cluster reads as zeros; all else is as it was. */
  #setZeros(entries: DataView, at: number, dataBits: number, changed: DirtyRange): void {
    const { extendedL2, version } = this.#inspection.header;
    if (dataBits !== 0) this.clustersGivenUp += 1;
    if (!extendedL2) {
      setEntry(entries, at, 0, version === 3 ? ZERO_FLAG : 0, changed);
      return;
    }
    setEntry(entries, at, 0, 0, changed);
    setEntry(entries, at + 8, setBits(entries.getUint32(at + 8), dataBits), 0, changed);
  }

  /** Data is kept where subclusters are said to be both; without a cluster there is none. */
  #mendBitmap(entries: DataView, at: number, changed: DirtyRange): void {
    const { external } = this.#inspection;
    const high = entries.getUint32(at);
    const zeroBits = entries.getUint32(at + 8);
    const dataBits = entries.getUint32(at + 12);
    const isHosted =
      clusterOffset(high, entries.getUint32(at + 4)) !== 0 || (external && isCopied(high));
    if (isHosted) setEntry(entries, at + 8, clearBits(zeroBits, dataBits), dataBits, changed);
    else setEntry(entries, at + 8, setBits(zeroBits, dataBits), 0, changed);
  }

  #isMisplaced(high: number, low: number): boolean {
    const { references } = this.#inspection;
    return !this.#hostCluster.isAligned(low) || clusterOffset(high, low) >= references.fileBytes;
  }

  #isMisplacedCluster(high: number, low: number): boolean {
    if (clusterOffset(high, low) === 0) return false;
    if (this.#inspection.external) return !this.#hostCluster.isAligned(low);
    return this.#isMisplaced(high, low);
  }

  /**
   * Whether the cluster that an unaligned offset lies in has lost its owner: it counts as used once,
   * and is named by nothing but this entry.
   */
  #isFoundNearby(high: number, low: number, uses: number): boolean {
    const { external, references, stored } = this.#inspection;
    const index = this.#hostCluster.index(high, low);
    if (external || index === 0 || index >= references.fileClusters) return false;
    return uses === 1 && references.tally.get(index) === 1 && stored.isOne(index) === true;
  }

  #setNearby(entries: DataView, at: number, changed: DirtyRange): void {
    const high = maskBits(entries.getUint32(at), COPIED_AND_OFFSET_HIGH);
    const low = this.#hostCluster.alignDown(entries.getUint32(at + 4));
    setEntry(entries, at, high, low, changed);
  }

  /**
   * Whether what an L1 entry names is an L2 table. When something else names it as well, one of the
   * two is wrong: the L1 entry where the other is a table whose place is known, or where the content
   * is not that of a table. Nothing of a snapshot makes an entry of the active table wrong.
   */
  #isTable(hostOffset: number, isActive: boolean): boolean {
    const { header, references, owned, l2Tables, oddTables } = this.#inspection;
    if (hostOffset === 0 || hostOffset % header.clusterBytes !== 0) return false;
    const cluster = hostOffset / header.clusterBytes;
    const activeUses = l2Tables.activeUsesOf(hostOffset);
    if (references.tally.get(cluster) === l2Tables.usesOf(hostOffset)) return true;
    if (activeUses > 0 && owned?.count(cluster) === activeUses) return true;
    const metadata = isActive ? this.#own : this.#all;
    return !metadata.clusters.has(cluster) && !oddTables.has(hostOffset);
  }

  /** Whether the disk itself, or the refcounts, have what is there. */
  #isOwned(hostOffset: number): boolean {
    const { header, owned } = this.#inspection;
    return (owned?.count(Math.floor(hostOffset / header.clusterBytes)) ?? 0) > 0;
  }

  /**
   * Whether a cluster is part of an L1 table and of no other table. Entries that name it as well are
   * wrong, unless what makes it an L1 table is, which its content would show.
   */
  #isL1Cluster(hostOffset: number, isActive: boolean): boolean {
    const { header, references, l2Tables } = this.#inspection;
    if (!isActive && this.#isOwned(hostOffset)) return false;
    const cluster = Math.floor(hostOffset / header.clusterBytes);
    if (references.tally.get(cluster) === 1) return true;
    const metadata = isActive ? this.#own : this.#all;
    return !metadata.shared.has(cluster) && !l2Tables.oddL1Clusters.has(cluster);
  }

  #activeL1(): HostRegion[] {
    const { offset, entries } = this.#inspection.header.l1Table;
    return [{ hostOffset: offset, lengthBytes: entries * 8 }];
  }

  /** Shows L1 tables cluster by cluster. */
  *#eachL1Cluster(
    regions: readonly HostRegion[],
    isActive: boolean,
    change: (entries: DataView, changed: DirtyRange) => void,
  ): Step<void> {
    const { clusterBytes } = this.#inspection.header;
    const offsets: number[] = [];
    const lengths: number[] = [];
    const parts = coverage(
      regions.map(({ hostOffset, lengthBytes }) => ({
        start: hostOffset,
        end: hostOffset + lengthBytes,
      })),
    );
    for (const { start, end } of parts) {
      for (let hostOffset = start; hostOffset < end; hostOffset += clusterBytes) {
        if (!this.#isL1Cluster(hostOffset, isActive)) continue;
        offsets.push(hostOffset);
        lengths.push(Math.min(clusterBytes, end - hostOffset));
      }
    }
    yield* this.#rewriting.each(offsets, (entries, index, changed) => {
      change(new DataView(entries.buffer, entries.byteOffset, lengths[index]!), changed);
    });
  }
}

function setEntry(
  entries: DataView,
  at: number,
  high: number,
  low: number,
  changed: DirtyRange,
): void {
  if (entries.getUint32(at) === high && entries.getUint32(at + 4) === low) return;
  entries.setUint32(at, high);
  entries.setUint32(at + 4, low);
  changed.add(at, at + 8, entries.byteLength);
}
