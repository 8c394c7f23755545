/** Resizing a disk whose every byte has its place in a file: the file gets longer or shorter. */
import { DiskError } from '@diskfile/bytes';
import type { ImageResizer, Preallocation, ResizeRequest } from '../format/writer-capabilities.ts';
import type { Step } from '../step.ts';
import { setAside } from '../set-aside.ts';
import { inContext } from '../step-context.ts';
import { truncateStorage, type WritableStorage } from '../storage.ts';
import { growStorage, writeZeros } from '../zero-fill.ts';

const RESERVING = { purpose: 'preallocation', format: 'raw' } as const;

/** How large a disk is; a writer changes it, and every handle sees that. */
export interface FlatSize {
  sizeBytes: number;
}

export interface FlatResizerOptions {
  /** Where the disk begins in the storage. */
  readonly startOffset?: number;
  /** Whether bytes that the host adds to the storage read as anything but zeros. */
  readonly newBytesAreNoise?: boolean;
  /** See {@link ImageResizer.endsAnywhere}. */
  readonly endsAnywhere?: boolean;
}

export class FlatResizer implements ImageResizer {
  readonly preallocations: readonly Preallocation[] = ['off', 'falloc', 'full'];
  readonly endsAnywhere: boolean;
  readonly #storage: WritableStorage;
  readonly #size: FlatSize;
  readonly #startOffset: number;
  readonly #newBytesAreNoise: boolean;

  constructor(
    storage: WritableStorage,
    size: FlatSize,
    { startOffset = 0, newBytesAreNoise = false, endsAnywhere = false }: FlatResizerOptions = {},
  ) {
    this.#storage = storage;
    this.#size = size;
    this.#startOffset = startOffset;
    this.#newBytesAreNoise = newBytesAreNoise;
    this.endsAnywhere = endsAnywhere;
  }

  /** @throws DiskError `unsupported` for a block device */
  *resize(request: ResizeRequest): Step<void> {
    if (request.exactBytes < this.#size.sizeBytes) yield* this.#shrink(request);
    else yield* this.#grow(request);
  }

  /** Reads that began before still find what is cut off; no others begin. */
  *#shrink({ sizeBytes, exactBytes, readsEnded }: ResizeRequest): Step<void> {
    const before = this.#size.sizeBytes;
    this.#size.sizeBytes = sizeBytes;
    try {
      yield* readsEnded(sizeBytes);
      yield* truncateStorage(this.#storage, this.#startOffset + exactBytes);
    } catch (error) {
      this.#size.sizeBytes = before;
      throw error;
    }
  }

  *#grow({ sizeBytes, exactBytes, preallocation }: ResizeRequest): Step<void> {
    const fileBytes = this.#storage.sizeBytes;
    const end = this.#startOffset + exactBytes;
    try {
      const growing = growStorage(this.#storage, end);
      // The host could do both at once, and where it cannot, that is what it could not do.
      yield* preallocation === 'falloc' ? inContext(RESERVING, growing) : growing;
      if (this.#storage.sizeBytes < end) throw keepsSize(this.#storage);
      yield* this.#reserve(fileBytes, end, preallocation);
    } catch (error) {
      yield* this.#takeBack(fileBytes);
      throw error;
    }
    this.#size.sizeBytes = sizeBytes;
  }

  *#reserve(from: number, to: number, preallocation: Preallocation): Step<void> {
    if (this.#newBytesAreNoise) return yield* writeZeros(this.#storage, from, to - from);
    if (preallocation === 'off') return;
    yield* setAside(this.#storage, { from, to, preallocation });
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

/** What would be written behind the end of such a storage is kept nowhere. */
function keepsSize({ name }: WritableStorage): DiskError {
  return new DiskError('unsupported', 'storage.fixed-size', 'The storage keeps its size', {
    op: 'truncate',
    path: name,
    layer: 'storage',
  });
}
