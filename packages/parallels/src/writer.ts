/** The writing half of an image. */
import { DiskError } from '@diskfile/bytes';
import { BlockWriter, type Extent, type Step } from '@diskfile/core';
import type { WritableAllocationTable } from './allocation-table.ts';
import { setInUse } from './in-use.ts';
import { IN_USE } from './structs.ts';

export class ParallelsWriter extends BlockWriter {
  readonly #table: WritableAllocationTable;
  readonly #cutsAlways: boolean;
  /** Whether anything may have changed: an image that has not is left as it was. */
  #isChanged = false;

  /**
   * The image has been marked as in use.
   * @param cutsAlways whether what is nobody's goes even where nothing has changed, as in QEMU
   */
  constructor(table: WritableAllocationTable, cutsAlways: boolean) {
    // What is written at once lies together.
    super(table, { hasBacking: false, maxAllocationBytes: Infinity });
    this.#table = table;
    this.#cutsAlways = cutsAlways;
  }

  override lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    this.#isChanged = true;
    return super.lookupWritable(guestOffset, lengthBytes, extent);
  }

  override *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    this.#isChanged = true;
    return yield* super.writeZeroes(guestOffset, lengthBytes, mayUnmap);
  }

  override *discard(guestOffset: number, lengthBytes: number): Step<void> {
    this.#isChanged = true;
    yield* super.discard(guestOffset, lengthBytes);
  }

  /** Says that the image is closed, and by whom: not by one who keeps its extensions up to date. */
  override *close(): Step<void> {
    const { storage, header } = this.#table;
    if (this.#isChanged || this.#cutsAlways) yield* cutQuietly(this.#table);
    yield* setInUse(storage, this.#isChanged ? IN_USE.closedWithoutExtension : header.inUse);
    yield* super.close();
  }
}

/** What the host refuses costs space, no more. */
function* cutQuietly(table: WritableAllocationTable): Step<void> {
  try {
    yield* table.cutFile();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
