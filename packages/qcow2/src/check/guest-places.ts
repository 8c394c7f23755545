/** Finds out which part of the disk an L2 table maps, for messages. */
import { clusterOffset } from '../tables/l2-entry.ts';

export class GuestPlaces {
  readonly #l1: DataView;
  readonly #clusterBytes: number;
  readonly #entriesPerTable: number;

  /** @param l1 the active L1 table, as far as it is known */
  constructor(l1: Uint8Array, clusterBytes: number, entriesPerTable: number) {
    this.#l1 = new DataView(l1.buffer, l1.byteOffset, l1.length);
    this.#clusterBytes = clusterBytes;
    this.#entriesPerTable = entriesPerTable;
  }

  /** Undefined for tables of snapshots alone. Searched, because few are asked for. */
  guestOffset(tableOffset: number, entryIndex: number): number | undefined {
    for (let at = 0; at + 8 <= this.#l1.byteLength; at += 8) {
      if (clusterOffset(this.#l1.getUint32(at), this.#l1.getUint32(at + 4)) !== tableOffset) {
        continue;
      }
      return ((at / 8) * this.#entriesPerTable + entryIndex) * this.#clusterBytes;
    }
    return undefined;
  }
}
