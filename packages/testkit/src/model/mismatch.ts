/** Comparing a disk with what it should hold. */
import type { DiskFile } from '@diskfile/core';

export const SECTOR_BYTES = 512;

/** The disk is not what it should be; the message says where. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** First byte that differs; -1 when none does. */
export function firstDifference(actual: Uint8Array, expected: Uint8Array): number {
  if (Buffer.compare(actual, expected) === 0) return -1;
  const length = Math.min(actual.length, expected.length);
  for (let at = 0; at < length; at++) if (actual[at] !== expected[at]) return at;
  return length;
}

export function expectEqual(actual: Uint8Array, expected: Uint8Array, what: string, start = 0) {
  const at = firstDifference(actual, expected);
  if (at === -1) return;
  const lengths =
    actual.length === expected.length ? '' : ` (${actual.length} bytes, not ${expected.length})`;
  throw new Mismatch(
    `${what} differs at ${start + at}: ${String(actual[at])}, not ${String(expected[at])}${lengths}`,
  );
}

/** All that a disk reads. */
export function readAll(disk: DiskFile): Uint8Array {
  const bytes = new Uint8Array(disk.sizeBytes).fill(0xee);
  disk.readSync(bytes, 0);
  return bytes;
}

/** First sector of `actual` that equals none of the candidates there; -1 when there is none. */
export function firstForeignSector(actual: Uint8Array, candidates: readonly Uint8Array[]): number {
  const at = firstForeignBlock(actual, candidates, SECTOR_BYTES, 0);
  return at === -1 ? -1 : at / SECTOR_BYTES;
}

/** First byte of `actual` that equals none of the candidates there; -1 when there is none. */
export function firstForeignByte(actual: Uint8Array, candidates: readonly Uint8Array[]): number {
  for (let start = 0; ; start += SECTOR_BYTES) {
    start = firstForeignBlock(actual, candidates, SECTOR_BYTES, start);
    if (start === -1) return -1;
    const end = Math.min(start + SECTOR_BYTES, actual.length);
    for (let at = start; at < end; at++) {
      if (!candidates.some((bytes) => bytes[at] === actual[at])) return at;
    }
  }
}

/** Start of the first block, from `start` on, that equals none of the candidates; -1 for none. */
function firstForeignBlock(
  actual: Uint8Array,
  candidates: readonly Uint8Array[],
  blockBytes: number,
  start: number,
): number {
  const views = candidates.map((bytes) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
  );
  // What the last block was may well be what the next one is.
  let likely = views[0]!;
  for (let at = start; at < actual.length; at += blockBytes) {
    const end = Math.min(at + blockBytes, actual.length);
    const isThere = (bytes: Buffer) =>
      end <= bytes.length && bytes.compare(actual, at, end, at, end) === 0;
    if (isThere(likely)) continue;
    const found = views.find(isThere);
    if (found === undefined) return at;
    likely = found;
  }
  return -1;
}

const zeros = Buffer.alloc(64 * 1024);

export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length);
    if (zeros.compare(part, 0, part.length, 0, part.length) !== 0) return false;
  }
  return true;
}
