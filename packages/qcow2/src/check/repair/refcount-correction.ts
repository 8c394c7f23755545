/** Sets refcounts to what was counted, in the blocks where they are. */
import { type DirtyRange, flushStorage, type Step, type WritableStorage } from '@diskfile/core';
import type { Inspection } from '../inspection.ts';
import { DECODED_AT_ONCE } from '../stored-refcounts.ts';
import { TableRewriting } from './table-rewriting.ts';

/** Raising comes first: what is used must count as used before anything else is let go. */
export type CorrectionDirection = 'raise' | 'lower';

export class RefcountCorrection {
  readonly #storage: WritableStorage;
  readonly #inspection: Inspection;
  readonly #direction: CorrectionDirection;
  readonly #storedCounts = new Float64Array(DECODED_AT_ONCE);
  readonly #countedReferences = new Uint32Array(DECODED_AT_ONCE);

  constructor(storage: WritableStorage, inspection: Inspection, direction: CorrectionDirection) {
    this.#storage = storage;
    this.#inspection = inspection;
    this.#direction = direction;
  }

  /** Durable when it returns. No block is shared or misplaced. */
  *run(): Step<void> {
    const { stored, references, header } = this.#inspection;
    const end = Math.ceil(references.clusters / stored.clustersPerBlock);
    const indexes = stored.presentBlocks(end);
    const offsets = indexes.map((index) => stored.blockOffset(index));
    const rewriting = new TableRewriting(this.#storage, header.clusterBytes);
    yield* rewriting.each(offsets, (view, at, changed) => {
      const block = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      this.#correctBlock(block, indexes[at]!, changed);
    });
    yield* flushStorage(this.#storage);
  }

  #correctBlock(block: Uint8Array, index: number, changed: DirtyRange): void {
    const { stored, references } = this.#inspection;
    const { clustersPerBlock } = stored;
    const start = index * clustersPerBlock;
    const slots = Math.min(clustersPerBlock, references.clusters - start);
    for (let slot = 0; slot < slots; slot += DECODED_AT_ONCE) {
      const length = Math.min(DECODED_AT_ONCE, slots - slot);
      const counts = this.#storedCounts.subarray(0, length);
      const counted = this.#countedReferences.subarray(0, length);
      stored.decode(block, slot, counts);
      references.tally.copyCounts(start + slot, counted);
      this.#correctSlots(block, slot, counts, counted, changed);
    }
  }

  #correctSlots(
    block: Uint8Array,
    first: number,
    counts: Float64Array,
    counted: Uint32Array,
    changed: DirtyRange,
  ): void {
    const { width } = this.#inspection.stored;
    for (let each = 0; each < counts.length; each++) {
      const count = Math.min(counted[each]!, width.max);
      const isWrong = this.#direction === 'raise' ? counts[each]! < count : counts[each]! > count;
      if (!isWrong) continue;
      width.set(block, first + each, count);
      const at = Math.floor(((first + each) * width.bits) / 8);
      changed.add(at, at + 1, block.length);
    }
  }
}
