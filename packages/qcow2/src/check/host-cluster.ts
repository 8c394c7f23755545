/**
 * Numbers of host clusters in table entries. Entries are looked at by the million, so this stays
 * within whole numbers that the processor handles at once: no division, no remainder.
 */
import { bitField, clearBits, hasAnyBit, maskBits } from '@diskfile/bytes';

const TWO_32 = 0x1_0000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const MIN_CLUSTER_BYTES = 512;

export class HostClusterField {
  readonly #clusterBits: number;
  readonly #clustersPerHigh: number;
  readonly #unalignedBits: number;

  constructor(clusterBits: number) {
    const clusterBytes = 2 ** clusterBits;
    this.#clusterBits = clusterBits;
    this.#clustersPerHigh = TWO_32 / clusterBytes;
    this.#unalignedBits = clusterBytes - MIN_CLUSTER_BYTES;
  }

  /** Index of the cluster that bits 9 to 55 of an entry name, or name a part of. */
  index(high: number, low: number): number {
    const inLow = bitField(low, this.#clusterBits, 32 - this.#clusterBits);
    return maskBits(high, OFFSET_HIGH) * this.#clustersPerHigh + inLow;
  }

  /** The lower half of the offset at which the cluster begins. */
  alignDown(low: number): number {
    return clearBits(low, this.#unalignedBits + MIN_CLUSTER_BYTES - 1);
  }

  /** Whether the offset is that of a whole cluster. */
  isAligned(low: number): boolean {
    return !hasAnyBit(low, this.#unalignedBits);
  }
}
