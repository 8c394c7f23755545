/**
 * Checks the entries of L2 tables and counts the clusters that they refer to (specification,
 * "Cluster mapping" and "Extended L2 Entries").
 */
import { hasAnyBit } from '@diskfile/bytes';
import { hex } from '../errors.ts';
import {
  clusterOffset,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
  isZeroFlagged,
} from '../tables/l2-entry.ts';
import type { Qcow2Header } from '../header/header.ts';
import type { CopiedFlags } from './copied-flags.ts';
import { EntryRuns } from './entry-runs.ts';
import type { Findings } from './findings.ts';
import type { GuestPlaces } from './guest-places.ts';
import { HostClusterField } from './host-cluster.ts';
import type { OwnedClusters } from './owned-clusters.ts';
import type { HostRegion, References } from './references.ts';

/** Bits 56 to 61, and 1 to 8 of a standard cluster descriptor. */
const RESERVED_HIGH = 0x3f00_0000;
const RESERVED_LOW = 0x1fe;

/** A table that is being looked at. */
export interface CheckedTable {
  readonly hostOffset: number;
  /** L1 entries that name it, and those of them that are in the active table. */
  readonly uses: number;
  readonly activeUses: number;
}

export interface L2CheckParts {
  readonly header: Qcow2Header;
  /** Whether an external data file holds the clusters. */
  readonly external: boolean;
  readonly references: References;
  /** Told of what the active tables name. */
  readonly owned: OwnedClusters | undefined;
  readonly findings: Findings;
  readonly places: GuestPlaces;
  readonly flags: CopiedFlags;
}

export class L2Check {
  allocatedClusters = 0;
  compressedClusters = 0;
  fragmentedClusters = 0;
  readonly #clusterBits: number;
  readonly #clusterBytes: number;
  readonly #hostCluster: HostClusterField;
  readonly #extended: boolean;
  readonly #external: boolean;
  readonly #references: References;
  readonly #owned: OwnedClusters | undefined;
  readonly #findings: Findings;
  readonly #places: GuestPlaces;
  readonly #flags: CopiedFlags;
  readonly #runs: EntryRuns;
  #table: CheckedTable = { hostOffset: 0, uses: 0, activeUses: 0 };
  /** Where the next cluster would lie if the file were in order; 0 before the first. */
  #expectedOffset = 0;
  /** Entries that no writer would write, even if the file was longer once. */
  #oddEntries = 0;

  constructor({ header, external, references, owned, findings, places, flags }: L2CheckParts) {
    this.#clusterBits = header.clusterBits;
    this.#clusterBytes = header.clusterBytes;
    this.#hostCluster = new HostClusterField(header.clusterBits);
    this.#extended = header.extendedL2;
    this.#external = external;
    this.#references = references;
    this.#owned = owned;
    this.#findings = findings;
    this.#places = places;
    this.#flags = flags;
    this.#runs = new EntryRuns(header.clusterBytes, header.extendedL2);
  }

  /**
   * Looks at all entries of a table.
   * @returns whether most of them are odd, as when something else than a table is looked at
   */
  check(entries: DataView, table: CheckedTable): boolean {
    const { hostOffset, activeUses } = table;
    this.#table = table;
    this.#expectedOffset = 0;
    this.#oddEntries = 0;
    let used = 0;
    const flags = activeUses > 0 && this.#flags.isComparable(hostOffset) ? this.#flags : undefined;
    const onWrongFlag = (at: number, shouldBeSet: boolean) => {
      this.#findings.wrongCopiedFlag(hostOffset + at, shouldBeSet, activeUses);
    };
    const runs = this.#runs;
    for (runs.start(entries); runs.next();) {
      if (isCompressed(runs.high)) this.#checkCompressed(entries, runs.at, runs.high, runs.low);
      else if (!this.#checkRun(entries)) this.#checkEach(entries);
      flags?.compareRun(entries, runs, onWrongFlag);
      used += runs.length;
    }
    return this.#oddEntries > 0 && this.#oddEntries * 2 >= used;
  }

  /** Counts a run of which nothing is wrong; false for any other. */
  #checkRun(entries: DataView): boolean {
    const { at, high, low, length } = this.#runs;
    if (hasAnyBit(high, RESERVED_HIGH) || hasAnyBit(low, RESERVED_LOW)) return false;
    const index = this.#hostCluster.index(high, low);
    if (index === 0 || !this.#hostCluster.isAligned(low)) return false;
    if (!this.#external && index + length > this.#references.fileClusters) return false;
    if (this.#extended && hasAnyBit(entries.getUint32(at + 8), entries.getUint32(at + 12))) {
      return false;
    }
    this.#countStandard(clusterOffset(high, low), length);
    if (this.#external) return true;
    const { uses, activeUses } = this.#table;
    this.#references.addClusters(index, length, uses);
    this.#owned?.addClusters(index, length, activeUses);
    return true;
  }

  #checkEach(entries: DataView): void {
    const { at, length } = this.#runs;
    const entryBytes = this.#extended ? 16 : 8;
    for (let each = at; each < at + length * entryBytes; each += entryBytes) {
      this.#checkStandard(entries, each, entries.getUint32(each), entries.getUint32(each + 4));
    }
  }

  #checkStandard(entries: DataView, at: number, high: number, low: number): void {
    if (hasAnyBit(high, RESERVED_HIGH) || hasAnyBit(low, RESERVED_LOW)) {
      this.#odd(at, 'l2-reserved-bits', 'has reserved bits set');
    }
    const hostOffset = clusterOffset(high, low);
    const zero = !this.#extended && isZeroFlagged(low);
    if (hostOffset === 0 && !(this.#external && isCopied(high) && !zero)) {
      if (this.#extended && entries.getUint32(at + 12) !== 0) {
        this.#odd(at, 'l2-bitmap', 'calls subclusters allocated and has no cluster');
      }
      return;
    }
    if (this.#extended && hasAnyBit(entries.getUint32(at + 8), entries.getUint32(at + 12))) {
      this.#odd(at, 'l2-bitmap', 'calls subclusters both allocated and zero');
    }
    this.#countStandard(hostOffset, 1);
    if (!this.#hostCluster.isAligned(low)) {
      this.#odd(at, 'l2-entry-misplaced', `names ${hex(hostOffset)}, where no cluster begins`);
    }
    if (this.#external) return;
    const region = { hostOffset, lengthBytes: this.#clusterBytes };
    if (this.#references.isBeyondEnd(hostOffset, region.lengthBytes)) {
      this.#beyondEnd(at, hostOffset);
    } else this.#addRegion('cluster', region);
  }

  /** Counts clusters that follow each other from `hostOffset` on. */
  #countStandard(hostOffset: number, clusters: number): void {
    const { activeUses } = this.#table;
    this.allocatedClusters += clusters * activeUses;
    if (this.#expectedOffset !== 0 && hostOffset !== this.#expectedOffset) {
      this.fragmentedClusters += activeUses;
    }
    this.#expectedOffset = hostOffset + clusters * this.#clusterBytes;
  }

  #checkCompressed(entries: DataView, at: number, high: number, low: number): void {
    if (isCopied(high)) {
      this.#odd(at, 'l2-compressed-copied', 'has the copied flag, though it is compressed');
    }
    if (this.#external) {
      this.#odd(at, 'l2-compressed-external', 'is compressed, though there is a data file');
      return;
    }
    if (this.#extended && (entries.getUint32(at + 8) !== 0 || entries.getUint32(at + 12) !== 0)) {
      this.#odd(at, 'l2-compressed-bitmap', 'has subclusters, though it is compressed');
      return;
    }
    const { activeUses } = this.#table;
    const hostOffset = compressedOffset(high, low, this.#clusterBits);
    const region = { hostOffset, lengthBytes: compressedLength(high, low, this.#clusterBits) };
    if (this.#references.isBeyondEnd(hostOffset, region.lengthBytes)) {
      this.#beyondEnd(at, hostOffset);
    } else this.#addRegion('compressed cluster', region);
    this.allocatedClusters += activeUses;
    this.compressedClusters += activeUses;
    this.fragmentedClusters += activeUses;
  }

  #addRegion(what: string, region: HostRegion): void {
    const { uses, activeUses } = this.#table;
    this.#references.addRegion(what, region, uses);
    this.#owned?.addRegion(region, activeUses);
  }

  #beyondEnd(at: number, hostOffset: number): void {
    this.#references.noteBeyondEnd(hostOffset);
    this.#mendable(
      at,
      'l2-entry-misplaced',
      `names ${hex(hostOffset)}, beyond the end of the file`,
    );
  }

  #odd(at: number, what: string, message: string): void {
    this.#oddEntries += 1;
    this.#mendable(at, what, message);
  }

  #mendable(at: number, what: string, message: string): void {
    this.#findings.mendableEntry(this.#table.uses, () => this.#describe(at, what, message));
  }

  #describe(at: number, what: string, message: string) {
    const entryOffset = this.#table.hostOffset + at;
    const guestOffset = this.#guestOffset(at);
    return {
      detail: `qcow2.check.${what}`,
      message: `The L2 entry at ${hex(entryOffset)} ${message}`,
      hostOffset: entryOffset,
      ...(guestOffset === undefined ? {} : { guestOffset }),
    };
  }

  #guestOffset(at: number): number | undefined {
    if (this.#table.activeUses === 0) return undefined;
    const entryIndex = at / (this.#extended ? 16 : 8);
    return this.#places.guestOffset(this.#table.hostOffset, entryIndex);
  }
}
