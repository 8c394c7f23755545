/**
 * The L1 tables of snapshots, as far as they can be such. A table that is longer than it was, or
 * lies elsewhere, runs over other structures and over data, and a repair would take those for tables.
 */
import { divideUp, readU32be } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { hex } from '../errors.ts';
import { neededL1Entries, type Qcow2Header } from '../header/header.ts';
import { MAX_L1_BYTES } from '../header/header-places.ts';
import { clusterOffset } from '../tables/l2-entry.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import { snapshotHeader } from '../structs.ts';
import { coverage } from './coverage.ts';
import type { Findings } from './findings.ts';
import { isOddL1Entry } from './l1-entry.ts';
import type { HostRegion, References } from './references.ts';
import type { SnapshotEntry } from './snapshot-entries.ts';

const ENTRY_BYTES = 8;
const READ_BYTES = 1024 * 1024;
const TWO_32 = 0x1_0000_0000;
/** Where extra data has the sizes of the VM state and of the disk, and where that ends. */
const EXTRA = { vmState: 0, diskSize: 8, end: 16 } as const;

export interface SnapshotL1Parts {
  readonly storage: Storage;
  readonly header: Qcow2Header;
  readonly references: References;
  readonly findings: Findings;
}

export class SnapshotL1Tables {
  readonly #storage: Storage;
  readonly #header: Qcow2Header;
  readonly #references: References;
  readonly #findings: Findings;

  constructor({ storage, header, references, findings }: SnapshotL1Parts) {
    this.#storage = storage;
    this.#header = header;
    this.#references = references;
    this.#findings = findings;
  }

  /** Tables that begin where one can, and are no longer than one can be. */
  possible(snapshots: readonly SnapshotEntry[]): SnapshotEntry[] {
    return snapshots.filter(({ l1Offset, l1Entries }) => {
      const isAligned = l1Offset % this.#header.clusterBytes === 0;
      if (isAligned && l1Entries * ENTRY_BYTES <= MAX_L1_BYTES) return true;
      this.#damaged(
        l1Offset,
        isAligned
          ? `A snapshot's L1 table has ${l1Entries} entries, more than there can be`
          : "A snapshot's L1 table does not begin at a cluster",
      );
      return false;
    });
  }

  /**
   * The parts of the tables that a repair can go by. QEMU goes by all of each.
   * @param taken structures that are no L1 table of a snapshot, in the order of their offsets
   */
  *credible(snapshots: readonly SnapshotEntry[], taken: Iterable<HostRegion>): Step<HostRegion[]> {
    const takenClusters = new ClusterRuns();
    for (const region of taken) takenClusters.add(this.#clusters(region));
    const odd = yield* this.#oddParts(snapshots);
    const regions: HostRegion[] = [];
    for (const snapshot of snapshots) {
      const whole = regionOf(snapshot);
      const problem = this.#problemOfSurplus(snapshot, odd);
      if (problem !== undefined) this.#leftAsIs(snapshot, problem);
      const lengthBytes = this.#neededEntries(snapshot) * ENTRY_BYTES;
      const region = problem === undefined ? whole : { ...whole, lengthBytes };
      if (this.#isActive(region) || !takenClusters.overlaps(this.#clusters(region))) {
        regions.push(region);
      } else this.#leftAsIs(snapshot, 'lies over other structures');
    }
    return regions;
  }

  /** What is wrong with a table behind what its disk needs. */
  #problemOfSurplus(snapshot: SnapshotEntry, odd: ClusterRuns): string | undefined {
    const { hostOffset, lengthBytes } = regionOf(snapshot);
    const needed = this.#neededEntries(snapshot);
    const count = snapshot.l1Entries - needed;
    if (count <= 0) return undefined;
    const isWithin = !this.#references.isBeyondEnd(hostOffset, needed * ENTRY_BYTES);
    if (isWithin && this.#references.isBeyondEnd(hostOffset, lengthBytes)) {
      return 'is longer than its disk needs, and than the file';
    }
    if (!odd.overlaps({ start: hostOffset / ENTRY_BYTES + needed, count })) return undefined;
    return 'is longer than its disk needs, and goes on with something else';
  }

  #leftAsIs({ l1Offset }: SnapshotEntry, problem: string): void {
    const table = `The L1 table of a snapshot, at ${hex(l1Offset)},`;
    this.#damaged(l1Offset, `${table} ${problem}; it is left as it is`);
  }

  #damaged(hostOffset: number, message: string): void {
    this.#findings.brokenReference(1, () => ({
      detail: 'qcow2.check.snapshot-l1-table',
      message,
      hostOffset,
    }));
  }

  #clusters({ hostOffset, lengthBytes }: HostRegion) {
    const { clusterBytes } = this.#header;
    const start = Math.floor(hostOffset / clusterBytes);
    return { start, count: divideUp(hostOffset + lengthBytes, clusterBytes) - start };
  }

  /** Such a table is one, whoever else has it. */
  #isActive({ hostOffset, lengthBytes }: HostRegion): boolean {
    const { offset, entries } = this.#header.l1Table;
    return hostOffset === offset && lengthBytes <= entries * ENTRY_BYTES;
  }

  /**
   * Looks at what tables have behind the entries that their disks need; tables keep their length
   * when a disk shrinks, so a long one alone says nothing. Every place is read once.
   * @returns the parts that have entries such as no writer would write, counted in entries
   */
  *#oddParts(snapshots: readonly SnapshotEntry[]): Step<ClusterRuns> {
    const odd = new ClusterRuns();
    const { sizeBytes } = this.#storage;
    const surpluses = snapshots.map((snapshot) => ({
      start: snapshot.l1Offset + this.#neededEntries(snapshot) * ENTRY_BYTES,
      end: Math.min(snapshot.l1Offset + snapshot.l1Entries * ENTRY_BYTES, sizeBytes),
    }));
    for (const { start, end } of coverage(surpluses)) {
      if (!(yield* this.#isOdd(start, end))) continue;
      const first = start / ENTRY_BYTES;
      odd.add({ start: first, count: divideUp(end, ENTRY_BYTES) - first });
    }
    return odd;
  }

  *#isOdd(start: number, end: number): Step<boolean> {
    for (let from = start; from < end; from += READ_BYTES) {
      const bytes = yield* readBytes(this.#storage, from, Math.min(READ_BYTES, end - from));
      const entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
        if (this.#isOddEntry(entries.getUint32(at), entries.getUint32(at + 4))) return true;
      }
    }
    return false;
  }

  #isOddEntry(high: number, low: number): boolean {
    if (isOddL1Entry(high, low, this.#header.clusterBytes)) return true;
    return clusterOffset(high, low) >= this.#storage.sizeBytes;
  }

  /** For the disk as it was, and behind it the state of the machine. */
  #neededEntries({ fixed, extra }: SnapshotEntry): number {
    const header = this.#header;
    const isComplete = extra.length >= EXTRA.end;
    const diskBytes = isComplete ? sizeAt(extra, EXTRA.diskSize) : header.sizeBytes;
    const vmStateBytes = isComplete
      ? sizeAt(extra, EXTRA.vmState)
      : readU32be(fixed, snapshotHeader.offsetOf('vm_state_size'));
    return neededL1Entries(header, diskBytes) + neededL1Entries(header, vmStateBytes);
  }
}

export function regionOf({ l1Offset, l1Entries }: SnapshotEntry): HostRegion {
  return { hostOffset: l1Offset, lengthBytes: l1Entries * ENTRY_BYTES };
}

/** Damage can make it any number; it is compared only. */
function sizeAt(extra: Uint8Array, at: number): number {
  return readU32be(extra, at) * TWO_32 + readU32be(extra, at + 4);
}
