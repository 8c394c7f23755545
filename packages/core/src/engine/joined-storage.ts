/** Pieces of files one behind the other, as one: segments of an image, members of an archive. */
import { countUpTo } from '@diskfile/bytes';
import type { ExtentMap } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';
import type { Extent } from './extent.ts';
import { mappedStorage } from './mapped-storage.ts';

export interface FilePiece {
  readonly storage: Storage;
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * Closing it does nothing: whoever opened the files closes them.
 * @param pieces at least one; the first one's file gives the storage its name
 */
export function joinedStorage(pieces: readonly FilePiece[], limits: Limits): Storage {
  const [first] = pieces as [FilePiece];
  const place = pieces.length === 1 ? { startOffset: first.offset } : {};
  return mappedStorage(first.storage, new PieceMap(pieces), { limits, ...place });
}

class PieceMap implements ExtentMap {
  readonly sizeBytes: number;
  readonly #pieces: readonly FilePiece[];
  /** Where each begins in the whole. */
  readonly #starts: readonly number[];

  constructor(pieces: readonly FilePiece[]) {
    let sizeBytes = 0;
    this.#starts = pieces.map(({ lengthBytes }) => {
      const start = sizeBytes;
      sizeBytes += lengthBytes;
      return start;
    });
    this.#pieces = pieces;
    this.sizeBytes = sizeBytes;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    // Of several that begin there all but the last are empty.
    const index = countUpTo(this.#starts, offset) - 1;
    const piece = this.#pieces[index]!;
    const skip = offset - this.#starts[index]!;
    extent.setData(
      piece.storage,
      piece.offset + skip,
      Math.min(lengthBytes, piece.lengthBytes - skip),
    );
    return true;
  }

  /** All is in memory. */
  *load(): Step<void> {}
}
