/** Resizing a raw disk: its file gets longer or shorter. */
import { DiskError } from '@diskfile/bytes';
import {
  allocateSpace,
  type ImageResizer,
  type Preallocation,
  type ResizeRequest,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeZeros,
} from '@diskfile/core';
import type { RawSize } from './raw-size.ts';

export class RawResizer implements ImageResizer {
  readonly preallocations: readonly Preallocation[] = ['off', 'falloc', 'full'];
  readonly #storage: WritableStorage;
  readonly #size: RawSize;

  constructor(storage: WritableStorage, size: RawSize) {
    this.#storage = storage;
    this.#size = size;
  }

  /** @throws DiskError `unsupported` for a block device */
  *resize(request: ResizeRequest): Step<void> {
    if (request.sizeBytes < this.#size.bytes) yield* this.#shrink(request);
    else yield* this.#grow(request);
  }

  /** Reads that began before still find what is cut off; no others begin. */
  *#shrink({ sizeBytes, readsEnded }: ResizeRequest): Step<void> {
    const before = this.#size.bytes;
    this.#size.bytes = sizeBytes;
    try {
      yield* readsEnded(sizeBytes);
      yield* truncateStorage(this.#storage, sizeBytes);
    } catch (error) {
      this.#size.bytes = before;
      throw error;
    }
  }

  *#grow({ sizeBytes, preallocation }: ResizeRequest): Step<void> {
    const fileBytes = this.#storage.sizeBytes;
    yield* truncateStorage(this.#storage, sizeBytes);
    try {
      yield* this.#reserve(fileBytes, sizeBytes, preallocation);
    } catch (error) {
      yield* this.#takeBack(fileBytes);
      throw error;
    }
    this.#size.bytes = sizeBytes;
  }

  *#reserve(from: number, to: number, preallocation: Preallocation): Step<void> {
    if (preallocation === 'off') return;
    const reserved =
      preallocation === 'falloc' && (yield* allocateSpace(this.#storage, from, to - from));
    if (!reserved) yield* writeZeros(this.#storage, from, to - from);
  }

  /** A file that stays longer than the disk does no harm; why it could not grow is what matters. */
  *#takeBack(fileBytes: number): Step<void> {
    try {
      yield* truncateStorage(this.#storage, fileBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }
}
