import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { makeDecoders } from '../src/index.ts';
import { content, damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';

const decoders = await everyDecoder('lz4');
const { compress } = await import('lz4-napi');

/** A block as lz4-napi makes it, without the length that it puts before. */
async function encode(bytes: Uint8Array): Promise<Uint8Array> {
  return (await compress(bytes)).subarray(4);
}

describe.each(decoders)('LZ4, %s', (_name, decoder) => {
  it('gives back what was compressed', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const encoded = await encode(bytes);
        const hex = Buffer.from(bytes).toString('hex');
        expect(summary(outcome(decoder, encoded, bytes.length))).toBe(hex);
        expect(summary(await outcomeAsync(decoder, encoded, bytes.length))).toBe(hex);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses blocks that are shorter or longer than they should be', async () => {
    const encoded = await encode(new Uint8Array(1000).fill(7));
    for (const length of [999, 1001]) {
      expect(summary(outcome(decoder, encoded, length))).toBe('corrupt codec.lz4-broken');
      expect(summary(await outcomeAsync(decoder, encoded, length))).toBe(
        'corrupt codec.lz4-broken',
      );
    }
    expect(summary(outcome(decoder, new Uint8Array(0), 10))).toBe('corrupt codec.lz4-broken');
    // A match before anything is there, one of distance 0, and one that goes too far back.
    for (const block of ['040100', '14610000', '1461ffff', '146102', 'f0ff', '1f610100ff']) {
      const bytes = Buffer.from(block, 'hex');
      expect(summary(outcome(decoder, bytes, 100))).toBe('corrupt codec.lz4-broken');
    }
  });
});

it('both decoders make the same of damaged blocks', async () => {
  const [[, native], [, portable]] = decoders as [(typeof decoders)[0], (typeof decoders)[0]];
  await fc.assert(
    fc.asyncProperty(content, damage, async (bytes, harm) => {
      const encoded = damaged(await encode(bytes), harm);
      const expected = summary(outcome(portable, encoded, bytes.length));
      expect(summary(outcome(native, encoded, bytes.length))).toBe(expected);
    }),
    { numRuns: 100 },
  );
});

it('blocks that follow each other are a stream, with checkpoints anywhere', () => {
  const codec = runSync(makeDecoders().loadStream('lz4'));
  const stream = runSync(codec.start());
  const dst = new Uint8Array(100);
  // Literals "abcdefgh", then a block that goes back to them by four and adds "z".
  stream.decode(Buffer.from('806162636465666768', 'hex'), dst);
  expect(stream.filledBytes).toBe(8);
  const checkpoint = stream.checkpoint()!;
  const second = Buffer.from('000400107a', 'hex');
  for (const decoder of [stream, runSync(codec.start(checkpoint))]) {
    decoder.decode(second, dst);
    expect(Buffer.from(dst.subarray(0, decoder.filledBytes)).toString()).toBe('efghz');
  }
});
