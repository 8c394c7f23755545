/**
 * The saved state of a virtual machine: guest offsets that the L1 table maps behind the disk
 * (specification, "Snapshots": vm_state_size). Such entries are not needed for the disk, so they
 * are brought in when someone asks for the state.
 */
import { announce, type Step, type Storage, type VmStateArea } from '@diskfile/core';
import { l2CoverageBytes, neededL1Entries, type Qcow2Header } from '../header/header.ts';
import type { TableReference } from '../header/header-places.ts';

/** What the state of an image depends on. */
export interface VmStateParts {
  readonly storage: Storage;
  /** The header as it is now. */
  header(): Qcow2Header;
  /** The L1 table of the disk as it is now. */
  table(): TableReference;
  sizeBytes(): number;
  /** Takes in entries that the file has. */
  hold(entries: number): Step<void>;
  /** Makes the L1 table long enough; undefined where the image is only read. */
  readonly grow: ((entries: number) => Step<void>) | undefined;
}

export class Qcow2VmState implements VmStateArea {
  readonly reserve?: (endGuestOffset: number) => Step<void>;
  readonly #parts: VmStateParts;

  constructor(parts: VmStateParts) {
    this.#parts = parts;
    const { grow } = parts;
    if (grow !== undefined) this.reserve = (end) => this.#reserve(grow, end);
  }

  get startGuestOffset(): number {
    const { header, sizeBytes } = this.#parts;
    return neededL1Entries(header(), sizeBytes()) * l2CoverageBytes(header());
  }

  *load(endGuestOffset: number): Step<void> {
    const { storage, table, hold } = this.#parts;
    yield* announce(storage, 'vmstate_load');
    yield* hold(Math.min(table().entries, this.#entriesFor(endGuestOffset)));
  }

  *#reserve(grow: (entries: number) => Step<void>, endGuestOffset: number): Step<void> {
    yield* announce(this.#parts.storage, 'vmstate_save');
    yield* grow(this.#entriesFor(endGuestOffset));
  }

  #entriesFor(endGuestOffset: number): number {
    return neededL1Entries(this.#parts.header(), endGuestOffset);
  }
}
