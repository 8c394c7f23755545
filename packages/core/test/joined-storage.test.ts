import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS, joinedStorage, MemoryStorage } from '../src/index.ts';

const BYTES = Uint8Array.from({ length: 4096 }, (_, at) => (at * 7 + (at >>> 8)) % 251);
const range = fc.tuple(fc.nat(2000), fc.nat(1000));

it('reads what its pieces have one behind the other, and empty ones have nothing', () => {
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 9 }), range, (ranges, [at, length]) => {
      const pieces = ranges.map(([offset, lengthBytes], index) => ({
        storage: new MemoryStorage(
          BYTES.map((byte) => byte ^ index),
          `${index}`,
        ),
        offset,
        lengthBytes,
      }));
      const whole = Buffer.concat(
        pieces.map(({ storage, offset, lengthBytes }) =>
          storage.bytes.subarray(offset, offset + lengthBytes),
        ),
      );
      const joined = joinedStorage(pieces, DEFAULT_LIMITS);
      expect([joined.name, joined.sizeBytes]).toEqual(['0', whole.length]);
      const expected = Buffer.alloc(length);
      expected.set(whole.subarray(at, at + length));
      const read = new Uint8Array(length).fill(1);
      joined.readSync(read, at);
      expect(Buffer.compare(read, expected)).toBe(0);
      expect(joined.startOffset).toBe(pieces.length === 1 ? pieces[0]!.offset : undefined);
    }),
  );
});
