/**
 * Puts right the entries of L1 and L2 tables that can be without a change to what the disk holds,
 * and the copied flags. Each entry lies within one sector, so it changes at one instant.
 */
import { clearBits, maskBits, setBits } from '@diskfile/bytes';
import { flushStorage, type Step, type WritableStorage } from '@diskfile/core';
import type { DirtyRange } from '../../dirty-range.ts';
import { clusterOffset, isCompressed } from '../../l2-entry.ts';
import type { ClusterRuns } from '../../refcounts/cluster-runs.ts';
import { coverage } from '../coverage.ts';
import { HostClusterField } from '../host-cluster.ts';
import type { Inspection } from '../inspection.ts';
import type { HostRegion } from '../references.ts';
import { TableRewriting } from './table-rewriting.ts';

const COPIED_HIGH = 0x8000_0000;
const ZERO_FLAG = 1;
const L1_RESERVED_HIGH = 0x7f00_0000;
const L1_RESERVED_LOW = 0x1ff;
const L2_RESERVED_HIGH = 0x3f00_0000;
const L2_RESERVED_LOW = 0x1fe;

export class EntryRepair {
  readonly #storage: WritableStorage;
  readonly #inspection: Inspection;
  readonly #rewriting: TableRewriting;
  readonly #hostCluster: HostClusterField;
  readonly #metadata: ClusterRuns;

  constructor(storage: WritableStorage, inspection: Inspection) {
    const { clusterBytes, clusterBits } = inspection.header;
    this.#storage = storage;
    this.#inspection = inspection;
    this.#rewriting = new TableRewriting(storage, clusterBytes);
    this.#hostCluster = new HostClusterField(clusterBits);
    this.#metadata = inspection.metadataClusters();
  }

  /** Clears what is reserved, and places that cannot be of clusters that hold nothing. */
  *mendEntries(): Step<void> {
    const { l1Regions, l2Tables } = this.#inspection;
    yield* this.#eachL1Cluster(l1Regions, (entries, changed) => {
      for (let at = 0; at + 8 <= entries.byteLength; at += 8) {
        const high = clearBits(entries.getUint32(at), L1_RESERVED_HIGH);
        const low = clearBits(entries.getUint32(at + 4), L1_RESERVED_LOW);
        setEntry(entries, at, high, low, changed);
      }
    });
    const tables = l2Tables.hostOffsets.filter((hostOffset) => this.#isTableOnly(hostOffset));
    yield* this.#rewriting.each(tables, (entries, _, changed) => this.#mendL2(entries, changed));
    yield* flushStorage(this.#storage);
  }

  /** Sets or clears the flags of the active tables, after the refcounts as they are stored. */
  *setCopiedFlags(): Step<void> {
    const { header, flags, l2Tables } = this.#inspection;
    const { l1Table } = header;
    const l1 = [{ hostOffset: l1Table.offset, lengthBytes: l1Table.entries * 8 }];
    yield* this.#eachL1Cluster(l1, (entries, changed) => {
      flags.compareL1(entries, (at, copied) => this.#setCopied(entries, at, copied, changed));
    });
    const tables = l2Tables.hostOffsets.filter(
      (hostOffset) =>
        l2Tables.activeUsesOf(hostOffset) > 0 &&
        flags.isComparable(hostOffset) &&
        this.#isTable(hostOffset),
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

  #mendL2(entries: DataView, changed: DirtyRange): void {
    const { header } = this.#inspection;
    const entryBytes = header.extendedL2 ? 16 : 8;
    for (let at = 0; at < entries.byteLength; at += entryBytes) {
      const high = entries.getUint32(at);
      const low = entries.getUint32(at + 4);
      if (isCompressed(high)) {
        setEntry(entries, at, clearBits(high, COPIED_HIGH), low, changed);
      } else if (this.#isMisplaced(high, low) && !this.#holdsData(entries, at)) {
        setEntry(entries, at, 0, header.extendedL2 ? 0 : maskBits(low, ZERO_FLAG), changed);
      } else {
        const newHigh = clearBits(high, L2_RESERVED_HIGH);
        setEntry(entries, at, newHigh, clearBits(low, L2_RESERVED_LOW), changed);
      }
    }
  }

  #isMisplaced(high: number, low: number): boolean {
    const { external, references } = this.#inspection;
    const hostOffset = clusterOffset(high, low);
    if (hostOffset === 0) return false;
    if (!this.#hostCluster.isAligned(low)) return true;
    return !external && hostOffset >= references.fileBytes;
  }

  #holdsData(entries: DataView, at: number): boolean {
    if (this.#inspection.header.extendedL2) return entries.getUint32(at + 12) !== 0;
    return maskBits(entries.getUint32(at + 4), ZERO_FLAG) === 0;
  }

  /** Whether a cluster is an L2 table and nothing else. */
  #isTableOnly(hostOffset: number): boolean {
    const { header, references, l2Tables } = this.#inspection;
    if (hostOffset === 0 || hostOffset % header.clusterBytes !== 0) return false;
    const uses = references.tally.get(hostOffset / header.clusterBytes);
    return uses === l2Tables.usesOf(hostOffset);
  }

  /**
   * Whether a cluster is an L2 table above all. When one is named as data as well, then either that
   * or the L1 entry is wrong; if all that the table says makes sense, it is the table.
   */
  #isTable(hostOffset: number): boolean {
    if (this.#isTableOnly(hostOffset)) return true;
    const { header, findings } = this.#inspection;
    if (hostOffset === 0 || !findings.areReferencesSound) return false;
    return !this.#metadata.has(hostOffset / header.clusterBytes);
  }

  /** Shows L1 tables cluster by cluster, those left out that are anything else as well. */
  *#eachL1Cluster(
    regions: readonly HostRegion[],
    change: (entries: DataView, changed: DirtyRange) => void,
  ): Step<void> {
    const { header, references } = this.#inspection;
    const { clusterBytes } = header;
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
        if (references.tally.get(Math.floor(hostOffset / clusterBytes)) !== 1) continue;
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
