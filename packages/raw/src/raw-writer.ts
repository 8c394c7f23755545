/** Writing a raw disk: every byte has its place already. */
import {
  type Allocation,
  type Extent,
  flushStorage,
  type ImageResizer,
  type ImageWriter,
  punchHole,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import { RawResizer } from './raw-resizer.ts';
import type { RawSize } from './raw-size.ts';

export class RawWriter implements ImageWriter {
  readonly unitBytes = 1;
  readonly zeroesInPlace = true;
  readonly resizer: ImageResizer;
  readonly #storage: WritableStorage;

  constructor(storage: WritableStorage, size: RawSize) {
    this.#storage = storage;
    this.resizer = new RawResizer(storage, size);
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    extent.setData(this.#storage, guestOffset, lengthBytes);
    return true;
  }

  *allocate(): Step<Allocation> {
    throw new Error('assertion failed: a raw disk has nothing to allocate');
  }

  /** A hole reads as zeros; where none can be made, or space has to stay, the engine writes. */
  *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    const done = mayUnmap && (yield* punchHole(this.#storage, guestOffset, lengthBytes));
    return done ? lengthBytes : 0;
  }

  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    yield* punchHole(this.#storage, guestOffset, lengthBytes);
  }

  *flush(): Step<void> {
    yield* flushStorage(this.#storage);
  }

  reclaim(): void {}

  *close(): Step<void> {}
}
