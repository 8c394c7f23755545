import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BitmapMemory } from '../../src/bitmaps/bitmap-memory.ts';
import { DirtyBits } from '../../src/bitmaps/dirty-bits.ts';

const GRANULE = 512;
/** Two and a half pages of bits. */
const MOST_GRANULES = 80_000;
const PLENTY = 1024 * 1024;

type Change =
  | { readonly kind: 'mark'; readonly from: number; readonly count: number }
  | { readonly kind: 'resize'; readonly granules: number; readonly odd: number }
  | { readonly kind: 'store' }
  | { readonly kind: 'clear' };

const granules = fc.oneof(
  fc.integer({ min: 1, max: MOST_GRANULES }),
  fc.constantFrom(1, 8, 32_767, 32_768, 32_769, 65_536, 65_537),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('mark' as const),
      from: fc.nat(MOST_GRANULES),
      count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('resize' as const), granules, odd: fc.nat(511) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'store' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);

/** Bits beside a plain list of what has to be dirty. */
class Pair {
  bits: DirtyBits;
  model: Uint8Array;
  readonly #memory: BitmapMemory;
  #sizeBytes: number;

  constructor(count: number, memoryBytes: number) {
    this.#memory = new BitmapMemory(memoryBytes);
    this.#sizeBytes = count * GRANULE;
    this.bits = DirtyBits.create(this.#sizeBytes, GRANULE, this.#memory)!;
    this.model = new Uint8Array(count);
  }

  apply(step: Change): void {
    if (step.kind === 'mark') this.#mark(step.from, step.count);
    else if (step.kind === 'resize') this.#resize(step.granules * GRANULE - step.odd);
    else if (step.kind === 'store') this.#store();
    else {
      this.bits.clear();
      this.model.fill(0);
    }
  }

  #mark(from: number, count: number): void {
    const start = from % this.model.length;
    const end = Math.min(start + count, this.model.length);
    const endByte = Math.min(end * GRANULE, this.#sizeBytes);
    this.bits.mark(start * GRANULE, endByte - start * GRANULE);
    this.model.fill(1, start, end);
  }

  #resize(sizeBytes: number): void {
    expect(this.bits.reserve(sizeBytes)).toBe(true);
    this.bits.resize(sizeBytes);
    this.#sizeBytes = sizeBytes;
    const model = new Uint8Array(Math.ceil(sizeBytes / GRANULE));
    model.set(this.model.subarray(0, model.length));
    this.model = model;
  }

  /** Goes on with what is read back after storing. */
  #store(): void {
    const { bits } = this;
    const stored: [at: number, content: string, bytes: Uint8Array][] = [];
    for (let at = 0; at < bits.lengthBytes; at += 3072) {
      const bytes = new Uint8Array(3072).fill(0xee);
      bits.copyTo(bytes, at);
      stored.push([at, bits.contentOf(at, at + 3072), bytes]);
    }
    const beyond = stored.flatMap(([at, , bytes]) =>
      [...bytes].flatMap((byte, index) => bitsBeyond(byte, (at + index) * 8, this.model.length)),
    );
    expect(beyond).toEqual([]);
    bits.dispose();
    this.bits = DirtyBits.create(this.#sizeBytes, GRANULE, this.#memory)!;
    for (const [at, content, bytes] of stored) {
      if (content === 'ones') this.bits.addStoredOnes(at, at + 3072);
      else if (content === 'mixed') this.bits.addStored(bytes.subarray(0, bits.lengthBytes), at);
    }
  }

  found(): Uint8Array {
    const found = new Uint8Array(this.model.length);
    for (let at = 0; ;) {
      const range = this.bits.nextDirty(at, this.#sizeBytes);
      if (range === undefined) return found;
      at = range.guestOffset + range.lengthBytes;
      expect(range.guestOffset % GRANULE).toBe(0);
      expect(at % GRANULE === 0 || at === this.#sizeBytes).toBe(true);
      found.fill(1, range.guestOffset / GRANULE, Math.ceil(at / GRANULE));
    }
  }
}

/** Places of bits that are set although there is no granule for them. */
function bitsBeyond(byte: number, firstBit: number, count: number): number[] {
  return Array.from({ length: 8 }, (_, bit) => firstBit + bit).filter(
    (bit) => bit >= count && ((byte >> (bit - firstBit)) & 1) === 1,
  );
}

describe('dirty bits', () => {
  it('hold exactly what was marked while there is memory', () => {
    fc.assert(
      fc.property(granules, fc.array(change, { maxLength: 12 }), (count, changes) => {
        const pair = new Pair(count, PLENTY);
        for (const step of changes) pair.apply(step);
        expect(pair.bits.isCoarse).toBe(false);
        expect(Buffer.compare(pair.found(), pair.model)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('hold all that was marked, and say so when it is more', () => {
    fc.assert(
      fc.property(
        granules,
        fc.constantFrom(24, 4200, 8300),
        fc.array(change, { maxLength: 12 }),
        (count, memoryBytes, changes) => {
          const pair = new Pair(count, memoryBytes);
          let coarse = false;
          for (const step of changes) {
            pair.apply(step);
            coarse ||= pair.bits.isCoarse;
          }
          const found = pair.found();
          expect(pair.model.every((dirty, at) => dirty <= found[at]!)).toBe(true);
          if (!coarse) expect(Buffer.compare(found, pair.model)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('give back what memory they took', () => {
    const memory = new BitmapMemory(3 * 4096 + 24);
    for (let round = 0; round < 5; round++) {
      const bits = DirtyBits.create(MOST_GRANULES * GRANULE, GRANULE, memory)!;
      for (let page = 0; page < 3; page++) bits.mark(page * 32_768 * GRANULE, 1);
      expect(bits.isCoarse).toBe(false);
      bits.resize(GRANULE);
      bits.dispose();
    }
    expect(memory.take(3 * 4096 + 24)).toBe(true);
    expect(DirtyBits.create(GRANULE, GRANULE, memory)).toBeUndefined();
  });

  it('know whether they have changed', () => {
    const bits = DirtyBits.create(100 * GRANULE, GRANULE, new BitmapMemory(PLENTY))!;
    expect(bits.isModified).toBe(false);
    bits.mark(GRANULE, 10);
    expect(bits.isModified).toBe(true);
    bits.isModified = false;
    bits.mark(GRANULE + 5, 300);
    expect(bits.isModified).toBe(false);
    bits.clear();
    expect(bits.isModified).toBe(true);
  });
});
