import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { makeDecoders } from '../src/index.ts';
import { content } from './support/content.ts';
import { decodeInPieces } from './support/streaming.ts';

const codec = runSync(makeDecoders().loadStream('deflate-raw'));

describe('deflate in pieces', () => {
  it('gives back what was compressed, however it is cut, and from every checkpoint', () => {
    const size = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(content, fc.integer({ min: 0, max: 9 }), size, size, (bytes, level, ...cut) => {
        // Little memory makes short blocks.
        const encoded = deflateRawSync(bytes, { level, memLevel: 1 });
        const src = Buffer.concat([encoded, Buffer.from('behind it')]);
        const whole = decodeInPieces(runSync(codec.start()), src, ...cut);
        expect(whole.bytes.equals(bytes)).toBe(true);
        expect(whole.takenBytes).toBe(encoded.length);
        for (const { checkpoint, takenBytes, filledBytes } of whole.places) {
          const rest = decodeInPieces(
            runSync(codec.start(checkpoint)),
            src.subarray(takenBytes),
            ...cut,
          );
          expect(rest.bytes.equals(bytes.subarray(filledBytes))).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has checkpoints between blocks, with the window of what came before', () => {
    const text = Buffer.from('all work and no play makes a dull disk. '.repeat(20_000));
    const noise = Buffer.from(
      text.map((byte, at) => byte + Math.floor(Math.imul(at, at) / 2 ** 20)),
    );
    const encoded = deflateRawSync(noise, { level: 9 });
    const { places, bytes } = decodeInPieces(runSync(codec.start()), encoded, 4096, 65_536);
    expect(bytes.equals(noise)).toBe(true);
    expect(places.length).toBeGreaterThan(5);
    expect(places.at(-1)!.checkpoint.sizeBytes).toBe(32_768);
  });

  it('refuses what is no deflate', () => {
    const decoder = runSync(codec.start());
    expect(() => decoder.decode(Uint8Array.of(0x07, 1, 2, 3), new Uint8Array(10))).toThrow(
      'A deflate stream is broken',
    );
  });

  it('has no streams of other codecs', () => {
    expect(() => runSync(makeDecoders().loadStream('rot13'))).toThrow('no decoder for rot13');
  });
});
