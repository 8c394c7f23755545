/** Reads through every door of a storage, compared with the bytes that should be there. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Storage } from '@diskfile/core';

/** What `lengthBytes` from `offset` of a storage holding `content` read as. */
export function expectedBytes(
  content: Uint8Array,
  offset: number,
  lengthBytes: number,
): Uint8Array {
  const expected = new Uint8Array(lengthBytes);
  expected.set(content.subarray(Math.min(offset, content.length), offset + lengthBytes));
  return expected;
}

/** Where and how long random reads of a storage go, some of them past its end. */
export function readsOf(sizeBytes: number): fc.Arbitrary<{ offset: number; lengths: number[] }> {
  return fc.record({
    offset: fc.nat(sizeBytes + 50),
    lengths: fc.array(fc.nat(Math.ceil(sizeBytes / 2) + 20), { minLength: 1, maxLength: 5 }),
  });
}

/** Reads `lengths` bytes one after another from `offset`, in all four ways. */
export async function expectReads(
  storage: Storage,
  content: Uint8Array,
  { offset, lengths }: { offset: number; lengths: number[] },
): Promise<void> {
  const [first] = lengths as [number];
  const single = expectedBytes(content, offset, first);
  const whole = lengths.reduce((sum, lengthBytes) => sum + lengthBytes, 0);
  const joined = expectedBytes(content, offset, whole);

  const bySync = dirty(first);
  storage.readSync(bySync, offset);
  expect(equal(bySync, single)).toBe(true);

  const byAsync = dirty(first);
  await storage.read(byAsync, offset);
  expect(equal(byAsync, single)).toBe(true);

  const vectorsSync = lengths.map(dirty);
  storage.readvSync(vectorsSync, offset);
  expect(equal(Buffer.concat(vectorsSync), joined)).toBe(true);

  const vectorsAsync = lengths.map(dirty);
  await storage.readv(vectorsAsync, offset);
  expect(equal(Buffer.concat(vectorsAsync), joined)).toBe(true);
}

/** A buffer whose content shows wherever a read leaves it as it was. */
export function dirty(lengthBytes: number): Uint8Array {
  return new Uint8Array(lengthBytes).fill(0xa5);
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
