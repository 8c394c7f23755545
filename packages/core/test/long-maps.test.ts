/** Maps that say the same of very many small pieces: no single answer may take long. */
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_LIMITS,
  type Extent,
  type ExtentMap,
  FileHandle,
  type FileStats,
  MappedReader,
  runSync,
} from '../src/index.ts';
import { nextBlockStatus } from '../src/engine/block-status.ts';

const PIECE = 512;
const SIZE = 2 ** 50;

/** Zeros, said of one sector at a time. */
class TinyPieces implements ExtentMap {
  readonly sizeBytes = SIZE;
  lookups = 0;

  lookup(_guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    this.lookups += 1;
    extent.setZero(Math.min(PIECE, lengthBytes));
    return true;
  }

  *load(): Generator<never, void, void> {}
}

describe('a map of 2^41 pieces', () => {
  it('gives one block status after a bounded number of look-ups', () => {
    const map = new TinyPieces();
    const reader = new MappedReader([map], DEFAULT_LIMITS);
    const status = runSync(nextBlockStatus(reader, [map], 0, SIZE));
    expect(map.lookups).toBeLessThan(100_000);
    expect(status.lengthBytes).toBe(map.lookups * PIECE);
  });

  it('gives one extent of a file after a bounded number of look-ups, and the next from there', () => {
    const map = new TinyPieces();
    const handle = new FileHandle('/file', {} as FileStats, map, DEFAULT_LIMITS);
    const extents = handle.extentsSync();
    const first = extents.next().value!;
    expect(map.lookups).toBeLessThan(100_000);
    expect(first).toEqual({ offset: 0, lengthBytes: map.lookups * PIECE, data: false });
    expect(extents.next().value).toMatchObject({ offset: first.lengthBytes, data: false });
  });
});
