import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';
import { SEED_BYTES, seeds } from './support/seeds.ts';

const [[, decoder]] = (await everyDecoder('adc')) as [Awaited<ReturnType<typeof everyDecoder>>[0]];

const CONTENT: Record<string, string> = {
  sample: '4a6b7e97addd9d4a4cfd54457273d262a7a00d794c7ffb4e7e914b9de359f80a',
  noise: '75d033699ef94fd43a21749582acf30472b0ac2018510e3d1ca89c18f54ac9bc',
  zeros: '4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe',
};

function sha256(result: Uint8Array | DiskError): string {
  return result instanceof DiskError
    ? summary(result)
    : createHash('sha256').update(result).digest('hex');
}

describe('ADC', () => {
  it.each(seeds('adc'))('decodes %s', async (name, encoded) => {
    expect(sha256(outcome(decoder, encoded, SEED_BYTES))).toBe(CONTENT[name]);
    expect(sha256(await outcomeAsync(decoder, encoded, SEED_BYTES))).toBe(CONTENT[name]);
  });

  it.each([
    ['plain bytes, and what follows is ignored', [0x82, 1, 2, 3, 9], '010203'],
    ['a short copy of the byte before', [0x80, 7, 0x00, 0], '07070707'],
    ['a short copy from further back', [0x81, 1, 2, 0x04, 1], '010201020102'],
    ['a long copy', [0x81, 1, 2, 0x41, 0, 1], '01020102010201'],
  ])('decodes %s', (_, encoded, expected) => {
    const result = outcome(decoder, Uint8Array.from(encoded), expected.length / 2);
    expect(summary(result)).toBe(expected);
  });

  it.each([
    ['an end before the output is full', [0x80, 1], 2],
    ['plain bytes that are not there', [0x83, 1, 2], 4],
    ['an end within a short copy', [0x80, 1, 0x00], 4],
    ['an end within a long copy', [0x80, 1, 0x40, 0], 5],
    ['a copy from before the start', [0x80, 1, 0x00, 1], 4],
    ['a copy from far before the start', [0x80, 1, 0x40, 0xff, 0xff], 5],
    ['a copy beyond the output', [0x80, 1, 0x00, 0], 3],
    ['plain bytes beyond the output', [0x82, 1, 2, 3], 2],
    ['nothing', [], 1],
  ])('refuses %s', (_, encoded, lengthBytes) => {
    const result = outcome(decoder, Uint8Array.from(encoded), lengthBytes);
    expect(summary(result)).toBe('corrupt codec.adc-broken');
  });
});
