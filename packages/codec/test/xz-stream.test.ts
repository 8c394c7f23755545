import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type Decoder, runSync } from '@diskfile/core';
import { makeDecoders } from '../src/index.ts';
import { seed, SEED_BYTES, seeds } from './support/seeds.ts';
import { decodeInPieces } from './support/streaming.ts';

const codec = runSync(makeDecoders().loadStream('xz'));
const whole: Decoder = runSync(makeDecoders().load('xz'));

function contentOf(encoded: Uint8Array): Uint8Array {
  const content = new Uint8Array(SEED_BYTES);
  whole.decodeSync(encoded, content);
  return content;
}

describe('xz in pieces', () => {
  it.each(seeds('xz'))(
    'gives back %s, however it is cut, and from every checkpoint',
    (_, encoded) => {
      const content = contentOf(encoded);
      const src = Buffer.concat([encoded, Buffer.from('behind it')]);
      for (const [pieceBytes, roomBytes] of [
        [1, 1000],
        [7, 16],
        [65_536, 65_536],
      ] as const) {
        const { bytes, places, takenBytes } = decodeInPieces(
          runSync(codec.start()),
          src,
          pieceBytes,
          roomBytes,
        );
        expect(bytes.equals(content)).toBe(true);
        expect(takenBytes).toBe(encoded.length);
        for (const place of places.filter(
          (each, at) => at % 16 === 0 || each.checkpoint.sizeBytes === 0,
        )) {
          const rest = src.subarray(place.takenBytes);
          const { bytes: tail } = decodeInPieces(
            runSync(codec.start(place.checkpoint)),
            rest,
            4096,
            4096,
          );
          expect(tail.equals(content.subarray(place.filledBytes))).toBe(true);
        }
      }
    },
  );

  it('has checkpoints between blocks that take nothing', () => {
    const encoded = seed('xz', 'blocks-with-sizes');
    const { places } = decodeInPieces(runSync(codec.start()), encoded, 65_536, 65_536);
    const free = places.filter(({ checkpoint }) => checkpoint.sizeBytes === 0);
    expect(free.map(({ filledBytes }) => filledBytes)).toEqual([4096, 8192, 12_288, 16_384]);
  });

  it.each([
    ['in a record of the index', -26],
    ['in the checksum of the index', -16],
    ['in the padding of the index', -17],
    ['in the footer', -5],
    ['at the end', -1],
  ])('notices damage %s', (_, at) => {
    const encoded = seed('xz', 'blocks-with-sizes');
    encoded[encoded.length + at]! ^= 0x40;
    const attempt = () => decodeInPieces(runSync(codec.start()), encoded, 4096, 4096);
    expect(attempt).toThrow(DiskError);
  });

  it('refuses an index of other blocks', () => {
    const encoded = seed('xz', 'mixed-crc64');
    // It takes twelve bytes before a footer of twelve.
    encoded[encoded.length - 23] = 2;
    const attempt = () => decodeInPieces(runSync(codec.start()), encoded, 4096, 4096);
    expect(attempt).toThrow('it has 1 blocks, and its index 2');
  });
});
