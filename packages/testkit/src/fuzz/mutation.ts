/** What is done to a seed. Plain data, so that a failure's list of mutations can be kept as JSON. */
import type { SeedImage } from './seed-image.ts';

export type Mutation =
  | { readonly kind: 'write'; readonly offset: number; readonly hex: string; readonly what: string }
  | { readonly kind: 'flip'; readonly offset: number; readonly bit: number }
  | {
      readonly kind: 'fill';
      readonly offset: number;
      readonly lengthBytes: number;
      readonly byte: number;
    }
  | {
      readonly kind: 'copy';
      readonly from: number;
      readonly to: number;
      readonly lengthBytes: number;
    }
  | { readonly kind: 'resize'; readonly sizeBytes: number }
  | { readonly kind: 'repair' };

/** Longest image that a mutation may make. */
export const MAX_MUTANT_BYTES = 16 * 1024 * 1024;

/** The seed's bytes with the mutations done in turn. */
export function applyMutations(seed: SeedImage, mutations: readonly Mutation[]): Uint8Array {
  let bytes: Uint8Array = seed.bytes.slice();
  for (const mutation of mutations) bytes = applyOne(bytes, mutation, seed);
  return bytes;
}

function applyOne(bytes: Uint8Array, mutation: Mutation, seed: SeedImage): Uint8Array {
  switch (mutation.kind) {
    case 'write':
      writeWithin(bytes, Buffer.from(mutation.hex, 'hex'), mutation.offset);
      return bytes;
    case 'flip':
      if (mutation.offset < bytes.length) bytes[mutation.offset]! ^= 1 << mutation.bit;
      return bytes;
    case 'fill':
      bytes.fill(mutation.byte, mutation.offset, mutation.offset + mutation.lengthBytes);
      return bytes;
    case 'copy': {
      const { from, to, lengthBytes } = mutation;
      writeWithin(bytes, bytes.slice(from, from + lengthBytes), to);
      return bytes;
    }
    case 'resize': {
      const resized = new Uint8Array(Math.min(mutation.sizeBytes, MAX_MUTANT_BYTES));
      resized.set(bytes.subarray(0, resized.length));
      return resized;
    }
    case 'repair':
      seed.repair?.(bytes);
      return bytes;
  }
}

function writeWithin(bytes: Uint8Array, patch: Uint8Array, offset: number): void {
  if (offset < bytes.length) bytes.set(patch.subarray(0, bytes.length - offset), offset);
}
