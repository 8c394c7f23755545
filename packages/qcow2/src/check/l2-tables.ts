/** The L2 tables of an image, each once, with how often L1 tables name it. */
import { divideUp } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { clusterOffset } from '../tables/l2-entry.ts';
import { ClusterRuns } from '../refcounts/cluster-runs.ts';
import type { CoveredPart } from './coverage.ts';
import type { Findings } from './findings.ts';
import { hasReservedL1Bits, isOddL1Entry } from './l1-entry.ts';
import type { References } from './references.ts';
import { tooLarge } from './too-large.ts';

const ENTRY_BYTES = 8;
/** Memory that a table takes in a map, about. */
const BYTES_PER_TABLE = 64;
const READ_BYTES = 1024 * 1024;
/** Of tables that overlap others. */
const MAX_UNALIGNED_BYTES = 256 * 1024 * 1024;

export class L2Tables {
  readonly #storage: Storage;
  readonly #clusterBytes: number;
  readonly #maxTables: number;
  readonly #references: References;
  readonly #findings: Findings;
  /** By host offset: how many entries of any L1 table name it, and of the active one. */
  readonly #uses = new Map<number, number>();
  readonly #activeUses = new Map<number, number>();
  #unalignedBytes = 0;
  /** Clusters of L1 tables in which most entries are such as no writer would write. */
  readonly oddL1Clusters = new ClusterRuns();
  #entries = 0;
  #oddEntries = 0;

  constructor(
    storage: Storage,
    clusterBytes: number,
    limits: Limits,
    references: References,
    findings: Findings,
  ) {
    this.#storage = storage;
    this.#clusterBytes = clusterBytes;
    this.#maxTables = limits.maxStructureBytes / BYTES_PER_TABLE;
    this.#references = references;
    this.#findings = findings;
  }

  /** Host offsets of the tables, in order; those with nothing in the file left out. */
  get hostOffsets(): Float64Array {
    return Float64Array.from(this.#uses.keys()).toSorted();
  }

  usesOf(hostOffset: number): number {
    return this.#uses.get(hostOffset) ?? 0;
  }

  activeUsesOf(hostOffset: number): number {
    return this.#activeUses.get(hostOffset) ?? 0;
  }

  /** Adds what a part of an L1 table, or of several on top of each other, names. */
  *addEntries(part: CoveredPart, active: boolean): Step<void> {
    const { start, end, times } = part;
    this.#entries = 0;
    this.#oddEntries = 0;
    for (let from = start; from < end; from += READ_BYTES) {
      const bytes = yield* readBytes(this.#storage, from, Math.min(READ_BYTES, end - from));
      const entries = new DataView(bytes.buffer);
      for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
        const high = entries.getUint32(at);
        const low = entries.getUint32(at + 4);
        if (high !== 0 || low !== 0) this.#addEntry(high, low, from + at, times, active);
      }
    }
    this.#noteOddTable(part);
  }

  #noteOddTable({ start, end }: CoveredPart): void {
    if (this.#oddEntries === 0 || this.#oddEntries * 2 < this.#entries) return;
    const first = Math.floor(start / this.#clusterBytes);
    this.oddL1Clusters.add({ start: first, count: divideUp(end, this.#clusterBytes) - first });
  }

  #addEntry(high: number, low: number, entryOffset: number, times: number, active: boolean): void {
    const hostOffset = clusterOffset(high, low);
    this.#noteEntry(high, low);
    if (hasReservedL1Bits(high, low)) {
      this.#mendable(entryOffset, 'l1-reserved-bits', 'has reserved bits set', times);
    }
    if (hostOffset === 0) {
      // QEMU takes the header for a table, and so finds something or other.
      this.#findings.misnamingEntry(times, () => ({
        detail: 'qcow2.check.l1-entry-misplaced',
        message: `The L1 entry at ${hex(entryOffset)} has flags and no table`,
        hostOffset: entryOffset,
      }));
    }
    const region = { hostOffset, lengthBytes: this.#clusterBytes };
    if (this.#references.isBeyondEnd(hostOffset, this.#clusterBytes)) {
      const problem = `names an L2 table at ${hex(hostOffset)}, beyond the end of the file`;
      this.#references.noteBeyondEnd(hostOffset);
      this.#mendable(entryOffset, 'l1-entry-misplaced', problem, times);
    } else this.#references.addRegion('L2 table', region, times);
    if (hostOffset % this.#clusterBytes !== 0) {
      const problem = `names an L2 table at ${hex(hostOffset)}, where no cluster begins`;
      this.#mendable(entryOffset, 'l1-entry-misplaced', problem, times);
    }
    // Beyond the end of the file is nothing but zeros.
    if (hostOffset >= this.#storage.sizeBytes) return;
    if (!this.#uses.has(hostOffset)) this.#bound(hostOffset, entryOffset);
    count(this.#uses, hostOffset, times);
    if (active) count(this.#activeUses, hostOffset, times);
  }

  #noteEntry(high: number, low: number): void {
    this.#entries += 1;
    if (isOddL1Entry(high, low, this.#clusterBytes)) this.#oddEntries += 1;
  }

  #mendable(entryOffset: number, what: string, problem: string, times: number): void {
    this.#findings.mendableEntry(times, () => ({
      detail: `qcow2.check.${what}`,
      message: `The L1 entry at ${hex(entryOffset)} ${problem}`,
      hostOffset: entryOffset,
    }));
  }

  /** Tables at the starts of clusters are no more than the file has; others could have no end. */
  #bound(hostOffset: number, entryOffset: number): void {
    if (this.#uses.size >= this.#maxTables) throw tooLarge('L1 tables', entryOffset);
    if (hostOffset % this.#clusterBytes === 0) return;
    this.#unalignedBytes += this.#clusterBytes;
    if (this.#unalignedBytes <= this.#storage.sizeBytes + MAX_UNALIGNED_BYTES) return;
    throw corrupt(
      'qcow2.check.l2-tables-unaligned',
      'The L1 tables name more unaligned L2 tables than can be looked at',
      { offset: entryOffset },
    );
  }
}

function count(map: Map<number, number>, key: number, times: number): void {
  map.set(key, (map.get(key) ?? 0) + times);
}
