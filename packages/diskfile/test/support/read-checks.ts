/** Reading a whole disk in every way there is, for comparison with the bytes it must hold. */
import { createHash } from 'node:crypto';
import type { SeededRandom } from '@diskfile/testkit';
import { expect } from 'vitest';
import type { DiskFile } from '../../src/index.ts';

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Piece {
  readonly guestOffset: number;
  readonly buffer: Uint8Array;
}

/** Pieces of random sizes that tile `whole`, in random order. */
function randomPieces(whole: Uint8Array, random: SeededRandom): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < whole.length;) {
    const longest = random.pick([1, 700, 5000, 70_000, 1_500_000]);
    const end = Math.min(whole.length, at + 1 + random.below(longest));
    pieces.push({ guestOffset: at, buffer: whole.subarray(at, end) });
    at = end;
    // Many tiny pieces prove no more than some.
    if (pieces.length > 400) {
      pieces.push({ guestOffset: at, buffer: whole.subarray(at) });
      break;
    }
  }
  for (let last = pieces.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [pieces[last], pieces[other]] = [pieces[other]!, pieces[last]!];
  }
  return pieces;
}

/** SHA-256 of the disk by sync, async and batch reads with random sizes and offsets. */
export async function hashesByAllWays(
  disk: DiskFile,
  random: SeededRandom,
): Promise<{ sync: string; async: string; batch: string; batchSync: string }> {
  const fresh = () => new Uint8Array(disk.sizeBytes).fill(0xee);
  const sync = fresh();
  for (const { guestOffset, buffer } of randomPieces(sync, random)) {
    disk.readSync(buffer, guestOffset);
  }
  const async = fresh();
  const waiting = randomPieces(async, random);
  const worker = async () => {
    for (let piece = waiting.pop(); piece !== undefined; piece = waiting.pop()) {
      await disk.read(piece.buffer, piece.guestOffset);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker(), worker(), worker()]);
  const batch = fresh();
  for (const group of groups(randomPieces(batch, random), 60)) {
    raise(await disk.submitBatch(group.map((piece) => ({ op: 'read', ...piece }))));
  }
  const batchSync = fresh();
  for (const group of groups(randomPieces(batchSync, random), 60)) {
    raise(disk.submitBatchSync(group.map((piece) => ({ op: 'read', ...piece }))));
  }
  return {
    sync: sha256(sync),
    async: sha256(async),
    batch: sha256(batch),
    batchSync: sha256(batchSync),
  };
}

function groups<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function raise(results: readonly { error: Error | undefined }[]): void {
  for (const { error } of results) if (error !== undefined) throw error;
}

/** All ways of reading give the content, and block status tiles the disk without a gap. */
export async function expectContent(
  disk: DiskFile,
  content: Uint8Array,
  random: SeededRandom,
): Promise<void> {
  expect(disk.sizeBytes).toBe(content.length);
  const hash = sha256(content);
  expect(await hashesByAllWays(disk, random)).toEqual({
    sync: hash,
    async: hash,
    batch: hash,
    batchSync: hash,
  });
  let end = 0;
  for (const { guestOffset, lengthBytes } of disk.blockStatusSync()) {
    expect(guestOffset).toBe(end);
    end += lengthBytes;
  }
  expect(end).toBe(disk.sizeBytes);
}
