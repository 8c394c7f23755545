import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError, writeU32le } from '@diskfile/bytes';
import { damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';
import { seed, SEED_BYTES, seeds } from './support/seeds.ts';

const [[, decoder]] = (await everyDecoder('lzfse')) as [
  Awaited<ReturnType<typeof everyDecoder>>[0],
];

/** SHA-256 of what the streams yield, by the first part of their names. */
const CONTENT: Record<string, string> = {
  sample: '4a6b7e97addd9d4a4cfd54457273d262a7a00d794c7ffb4e7e914b9de359f80a',
  noise: '75d033699ef94fd43a21749582acf30472b0ac2018510e3d1ca89c18f54ac9bc',
  zeros: '4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe',
};

const BROKEN = 'corrupt codec.lzfse-broken';
const END = [...Buffer.from('bvx$')];

function sha256(result: Uint8Array | DiskError): string {
  return result instanceof DiskError
    ? summary(result)
    : createHash('sha256').update(result).digest('hex');
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32le(bytes, 0, value);
  return bytes;
}

function plain(content: readonly number[]): number[] {
  return [...Buffer.from('bvx-'), ...u32(content.length), ...content];
}

/** A block of LZVN instructions, with the end of one behind them. */
function lzvn(instructions: readonly number[], rawBytes: number): Uint8Array {
  const payload = [...instructions, 6, 0, 0, 0, 0, 0, 0, 0];
  const header = [...Buffer.from('bvxn'), ...u32(rawBytes), ...u32(payload.length)];
  return Uint8Array.from([...header, ...payload, ...END]);
}

describe('LZFSE', () => {
  it.each(seeds('lzfse'))('decodes %s, with anything behind it', async (name, encoded) => {
    const expected = CONTENT[name.split('-')[0]!];
    const followed = Uint8Array.from([...encoded, ...encoded]);
    expect(sha256(outcome(decoder, followed, SEED_BYTES))).toBe(expected);
    expect(sha256(await outcomeAsync(decoder, encoded, SEED_BYTES))).toBe(expected);
  });

  it('decodes one block after another', () => {
    const encoded = Uint8Array.from([...plain([1, 2]), ...plain([]), ...plain([3]), ...END]);
    expect(summary(outcome(decoder, encoded, 3))).toBe('010203');
    expect(summary(outcome(decoder, Uint8Array.from(END), 0))).toBe('');
  });

  it.each([
    ['literals, then a near match', [0xe2, 7, 8, 0x00, 2], '0708070807'],
    ['literals of an instruction, then the match', [0x40, 1, 9, 0xf1], '0909090909'],
    [
      'a middling distance',
      [0xe3, 1, 2, 3, 0xa1, 0x0d, 0x00],
      '010203' + '010203010203010203'.slice(0, 16),
    ],
    ['a long distance', [0xe2, 5, 6, 0x07, 2, 0], '0506050605'],
    ['the last distance', [0xe2, 5, 6, 0x00, 1, 0x46, 4], '050606060604040404'],
    ['nothing in between', [0x0e, 0xe1, 5, 0x16], '05'],
    ['many literals', [0xe0, 0, ...Array.from({ length: 16 }, () => 3)], '03'.repeat(16)],
    ['many matches', [0xe1, 3, 0x00, 1, 0xf0, 1], '03'.repeat(1 + 3 + 17)],
  ])('decodes %s', (_, instructions, expected) => {
    const encoded = lzvn(instructions, expected.length / 2);
    expect(summary(outcome(decoder, encoded, expected.length / 2))).toBe(expected);
  });

  it.each([0x1e, 0x26, 0x2e, 0x36, 0x3e, 0x70, 0x7f, 0xd0, 0xdf])(
    'knows no instruction 0x%s',
    (code) => {
      const encoded = lzvn([0xe3, 1, 2, 3, code, 1, 1, 1], 6);
      expect(summary(outcome(decoder, encoded, 6))).toBe(BROKEN);
    },
  );

  it.each([
    ['a match before there is anything', [0x00, 1], 3],
    ['a match without a distance', [0xe1, 1, 0x00, 0], 4],
    ['a match that reaches too far back', [0xe1, 1, 0x00, 2], 4],
    ['the last distance when there was none', [0xe1, 1, 0xf3], 4],
    ['more than there should be', [0xe3, 1, 2, 3], 2],
    ['a match that is too long', [0xe1, 1, 0x00, 1], 3],
    ['less than there should be', [0xe3, 1, 2, 3], 4],
    ['literals that are not there', [0xef, 1, 2], 15],
  ])('refuses %s', (_, instructions, rawBytes) => {
    expect(summary(outcome(decoder, lzvn(instructions, rawBytes), rawBytes))).toBe(BROKEN);
  });

  it('refuses an end of LZVN before the end of its block', () => {
    const encoded = lzvn([0xe1, 1, 6, 0, 0], 1);
    expect(summary(outcome(decoder, encoded, 1))).toBe(BROKEN);
  });

  it('refuses streams that yield more than they should, or less, and other bytes', () => {
    for (const lengthBytes of [0, 1, SEED_BYTES - 1, SEED_BYTES + 1]) {
      expect(summary(outcome(decoder, seed('lzfse', 'zeros-v2'), lengthBytes))).toBe(BROKEN);
      expect(summary(outcome(decoder, seed('lzfse', 'sample-mixed'), lengthBytes))).toBe(BROKEN);
    }
    for (const bytes of [[], [1, 2, 3], plain([1]), [...Buffer.from('bvx3'), ...END]]) {
      expect(summary(outcome(decoder, Uint8Array.from(bytes), 1))).toBe(BROKEN);
    }
  });

  it.each([
    ['the count of literals', 12, 40_004],
    ['a count of literals that is not whole', 12, 2],
    ['the count of matches', 16, 10_001],
    ['the lengths of payloads', 20, 0xffff_fff0],
    ['the length of one payload', 24, 0],
    ['unused bits of literals', 28, 1],
    ['unused bits of the rest', 40, 0xffff_fff8],
    ['the state of a literal', 32, 1024],
    ['the state of L', 44, 64],
    ['the raw length', 4, SEED_BYTES - 1],
    ['a frequency', 50, 0x4000],
    ['a frequency of literals', 50 + 2 * 104, 0],
  ])('refuses a block with another value for %s', (_, at, value) => {
    const encoded = seed('lzfse', 'sample-v1');
    writeU32le(encoded, at, value);
    expect(summary(outcome(decoder, encoded, SEED_BYTES))).toBe(BROKEN);
  });

  it.each([
    ['too short', 33],
    ['shorter than its fields', 31],
    ['too long', 32 + 631],
    ['longer than the stream', 0xffff_fff0],
  ])('refuses a packed header that is %s', (_, headerBytes) => {
    const encoded = seed('lzfse', 'sample-v2');
    writeU32le(encoded, 24, headerBytes);
    expect(summary(outcome(decoder, encoded, SEED_BYTES))).toBe(BROKEN);
  });

  it('is of one mind about damage in both forms, and throws nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...seeds('lzfse')), damage, async ([, encoded], harm) => {
        const harmed = damaged(encoded, harm);
        const first = summary(outcome(decoder, harmed, SEED_BYTES));
        expect(summary(await outcomeAsync(decoder, harmed, SEED_BYTES))).toBe(first);
      }),
      { numRuns: 100 },
    );
  });
});
