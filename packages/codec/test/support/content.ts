/** Content of clusters as disks have it, and damage to encoded streams. */
import fc from 'fast-check';

/** Runs, noise and repeated pieces, mixed. */
export const content: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 400 }),
      fc.record({ byte: fc.nat(255), length: fc.integer({ min: 1, max: 5000 }) }).map(run),
      fc.record({ seed: fc.nat(1000), length: fc.integer({ min: 1, max: 3000 }) }).map(words),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((pieces) => Uint8Array.from(Buffer.concat(pieces)));

function run({ byte, length }: { byte: number; length: number }): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** Text of a small vocabulary: long matches, skewed literals. */
function words({ seed, length }: { seed: number; length: number }): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    if (at % 7 === 0) state = (state * 1103515245 + 12345) % 2 ** 31;
    bytes[at] = 97 + ((state >> ((at % 7) + 8)) & 15);
  }
  return bytes;
}

export interface Damage {
  /** Bits to flip, as positions from 0 (the first) to 1 (past the last). */
  readonly flips: readonly number[];
  /** How much of the stream is kept, from 0 to 1. */
  readonly kept: number;
}

const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
/** Near the start, where headers are, or anywhere. */
const flip = fc.oneof(
  position.map((place) => place / 20),
  position,
);

export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ flips: fc.array(flip, { minLength: 1, maxLength: 3 }), kept: fc.constant(1) }),
  fc.record({ flips: fc.constant([]), kept: position }),
  fc.record({ flips: fc.array(flip, { maxLength: 3 }), kept: position }),
);

export function damaged(encoded: Uint8Array, { flips, kept }: Damage): Uint8Array {
  const bytes = Uint8Array.from(encoded);
  for (const place of flips) {
    const bit = Math.floor(place * bytes.length * 8);
    bytes[Math.floor(bit / 8)]! ^= 1 << (bit % 8);
  }
  return bytes.subarray(0, Math.ceil(bytes.length * kept));
}
