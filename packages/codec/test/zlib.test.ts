import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';

const CONTENT = new Uint8Array(5000).map((_, index) => (index * index) % 253);
const HEX = Buffer.from(CONTENT).toString('hex');
const HEADER = 'corrupt codec.zlib-header';

describe.each(await everyDecoder('zlib'))('zlib, %s', (_name, decoder) => {
  it.each([0, 1, 9])('gives back what was compressed at level %d', async (level) => {
    const encoded = deflateSync(CONTENT, { level });
    expect(summary(outcome(decoder, encoded, CONTENT.length))).toBe(HEX);
    expect(summary(await outcomeAsync(decoder, encoded, CONTENT.length))).toBe(HEX);
  });

  it('refuses what does not begin as zlib', async () => {
    const encoded = deflateSync(CONTENT);
    const others = [[], [0x78], [0x78, 0x9d], [0x79, 0x9c], [0x88, 0x1c], [0x78, 0xbb]];
    for (const header of others) {
      const harmed = Uint8Array.from([
        ...header,
        ...encoded.subarray(header.length < 2 ? encoded.length : 2),
      ]);
      expect(summary(outcome(decoder, harmed, CONTENT.length))).toBe(HEADER);
      expect(summary(await outcomeAsync(decoder, harmed, CONTENT.length))).toBe(HEADER);
    }
  });

  it('refuses what is too short', () => {
    const encoded = deflateSync(CONTENT);
    const result = outcome(decoder, encoded, CONTENT.length + 1);
    expect(summary(result)).toBe('corrupt codec.deflate-short');
  });
});
