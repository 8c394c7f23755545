/**
 * Checks the entries of L2 tables and counts the clusters that they refer to (specification,
 * "Cluster mapping" and "Extended L2 Entries").
 */
import { maskBits } from '@diskfile/bytes';
import { hex } from '../errors.ts';
import {
  clusterOffset,
  compressedLength,
  compressedOffset,
  isCompressed,
  isCopied,
  isZeroFlagged,
} from '../l2-entry.ts';
import type { Qcow2Header } from '../header.ts';
import type { Findings } from './findings.ts';
import type { GuestPlaces } from './guest-places.ts';
import type { References } from './references.ts';

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

export class L2Check {
  allocatedClusters = 0;
  compressedClusters = 0;
  fragmentedClusters = 0;
  readonly #clusterBits: number;
  readonly #clusterBytes: number;
  readonly #extended: boolean;
  readonly #external: boolean;
  readonly #references: References;
  readonly #findings: Findings;
  readonly #places: GuestPlaces;
  #table: CheckedTable = { hostOffset: 0, uses: 0, activeUses: 0 };
  /** Where the next cluster would lie if the file were in order; 0 before the first. */
  #expectedOffset = 0;

  constructor(
    header: Qcow2Header,
    external: boolean,
    references: References,
    findings: Findings,
    places: GuestPlaces,
  ) {
    this.#clusterBits = header.clusterBits;
    this.#clusterBytes = header.clusterBytes;
    this.#extended = header.extendedL2;
    this.#external = external;
    this.#references = references;
    this.#findings = findings;
    this.#places = places;
  }

  /** Looks at all entries of a table. */
  check(entries: DataView, table: CheckedTable): void {
    this.#table = table;
    this.#expectedOffset = 0;
    const entryBytes = this.#extended ? 16 : 8;
    for (let at = 0; at < entries.byteLength; at += entryBytes) {
      const high = entries.getUint32(at);
      const low = entries.getUint32(at + 4);
      if (isCompressed(high)) this.#checkCompressed(entries, at, high, low);
      else if (high !== 0 || low !== 0 || this.#extended) {
        this.#checkStandard(entries, at, high, low);
      }
    }
  }

  #checkStandard(entries: DataView, at: number, high: number, low: number): void {
    if (maskBits(high, RESERVED_HIGH) !== 0 || maskBits(low, RESERVED_LOW) !== 0) {
      this.#corruption(at, 'l2-reserved-bits', 'has reserved bits set');
    }
    const hostOffset = clusterOffset(high, low);
    const zero = !this.#extended && isZeroFlagged(low);
    if (hostOffset === 0 && !(this.#external && isCopied(high) && !zero)) {
      if (this.#extended && entries.getUint32(at + 12) !== 0) {
        this.#broken(at, 'l2-bitmap', 'calls subclusters allocated and has no cluster');
      }
      return;
    }
    if (this.#extended && maskBits(entries.getUint32(at + 8), entries.getUint32(at + 12)) !== 0) {
      this.#corruption(at, 'l2-bitmap', 'calls subclusters both allocated and zero');
    }
    this.#countStandard(hostOffset);
    if (hostOffset % this.#clusterBytes !== 0) {
      this.#broken(at, 'l2-entry-unaligned', `names ${hex(hostOffset)}, where no cluster begins`);
    }
    if (!this.#external) this.#refer(at, hostOffset);
  }

  #refer(at: number, hostOffset: number): void {
    const { uses } = this.#table;
    const references = this.#references;
    const lengthBytes = this.#clusterBytes;
    if (references.isBeyondEnd(hostOffset, lengthBytes)) {
      references.beyondEnd('cluster', { hostOffset, lengthBytes }, uses, this.#guestOffset(at));
    } else if (hostOffset % lengthBytes === 0) {
      references.addCluster(hostOffset / lengthBytes, uses);
    } else references.addRegion('cluster', { hostOffset, lengthBytes }, uses);
  }

  #countStandard(hostOffset: number): void {
    const { activeUses } = this.#table;
    this.allocatedClusters += activeUses;
    if (this.#expectedOffset !== 0 && hostOffset !== this.#expectedOffset) {
      this.fragmentedClusters += activeUses;
    }
    this.#expectedOffset = hostOffset + this.#clusterBytes;
  }

  #checkCompressed(entries: DataView, at: number, high: number, low: number): void {
    if (isCopied(high)) {
      this.#corruption(at, 'l2-compressed-copied', 'has the copied flag, though it is compressed');
    }
    if (this.#external) {
      this.#broken(at, 'l2-compressed-external', 'is compressed, though there is a data file');
      return;
    }
    if (this.#extended && (entries.getUint32(at + 8) !== 0 || entries.getUint32(at + 12) !== 0)) {
      this.#broken(at, 'l2-compressed-bitmap', 'has subclusters, though it is compressed');
      return;
    }
    const { uses, activeUses } = this.#table;
    const hostOffset = compressedOffset(high, low, this.#clusterBits);
    const region = { hostOffset, lengthBytes: compressedLength(high, low, this.#clusterBits) };
    this.#references.addRegion('compressed cluster', region, uses);
    this.allocatedClusters += activeUses;
    this.compressedClusters += activeUses;
    this.fragmentedClusters += activeUses;
  }

  #corruption(at: number, what: string, message: string): void {
    this.#findings.corruption(this.#table.uses, () => this.#describe(at, what, message));
  }

  #broken(at: number, what: string, message: string): void {
    this.#findings.brokenReference(this.#table.uses, () => this.#describe(at, what, message));
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
