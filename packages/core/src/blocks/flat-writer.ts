/** Writing a disk whose every byte has its place in a file already. */
import type { Extent } from '../engine/extent.ts';
import type { Allocation, ImageWriter } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { announce, dataOf, during, flushStorage, type WritableStorage } from '../storage.ts';
import { discardRange, zeroRange } from '../storage-ranges.ts';

export class FlatWriter implements ImageWriter {
  readonly unitBytes = 1;
  readonly zeroesInPlace = true;
  protected readonly storage: WritableStorage;
  readonly #startOffset: number;

  /** @param startOffset of the disk within the storage */
  constructor(storage: WritableStorage, startOffset = 0) {
    this.storage = storage;
    this.#startOffset = startOffset;
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    extent.setData(dataOf(this.storage), this.#startOffset + guestOffset, lengthBytes);
    return true;
  }

  *allocate(): Step<Allocation> {
    throw new Error('assertion failed: a flat disk has nothing to allocate');
  }

  /** A hole reads as zeros; where none can be made, or space has to stay, the engine writes. */
  *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    const storage = during(this.storage, 'pwritev_zero');
    const offset = this.#startOffset + guestOffset;
    return (yield* zeroRange(storage, offset, lengthBytes, mayUnmap)) ? lengthBytes : 0;
  }

  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    yield* discardRange(this.storage, this.#startOffset + guestOffset, lengthBytes);
  }

  *flush(): Step<void> {
    yield* announce(this.storage, 'flush_to_os');
    yield* flushStorage(during(this.storage, 'flush_to_disk'));
  }

  reclaim(): void {}

  *close(): Step<void> {}
}
