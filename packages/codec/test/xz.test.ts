import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32, DiskError, writeU32le } from '@diskfile/bytes';
import { damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';
import { seed, SEED_BYTES, seeds } from './support/seeds.ts';

const [[, decoder]] = (await everyDecoder('xz')) as [Awaited<ReturnType<typeof everyDecoder>>[0]];

/** SHA-256 of what the streams of each name yield, as the program xz has it. */
const CONTENT: Record<string, string> = {
  'blocks-with-sizes': '114c5347ed82de758eaaaf319b90673e530275d427af157f8c7c6ffdc5e71aee',
  'filter-x86': '726d843cc4c876d3227300228ffe3953adb328c0a0ba5281406c77372779964c',
  'filter-ia64': '803053c8fc7f4ce921ff64b05bb515d07e2ac38c59d6a0ac723152b20dfd90ea',
  'filter-powerpc': '117a4ebd9073208af79abea9de0900405e09b05813400d850cb197e238c14814',
  'filter-arm': 'f62f785f8306ed69503d1b96a58e10355de13434cbe15ae7b67d386b23d51f84',
  'filter-armthumb': 'c3d172aba7628f13cdc46b3bf68fccc64e4f6111fbee839601021c3ad022de15',
  'filter-sparc': '40f9f179514879295c7b01aff64836c0c54a208b282f6cc1060e6cd70afd3a70',
  'filter-arm64': 'bc35d39e630688f917e9e3b9c7d36866c27cc6ff1e4edf827861576846d6f902',
  'filter-two': '726d843cc4c876d3227300228ffe3953adb328c0a0ba5281406c77372779964c',
  'mixed-crc64': '8502ea56b6baa292e05452ba9048e0a861964d98812443d1346970595588a367',
  'mixed-no-check': '8502ea56b6baa292e05452ba9048e0a861964d98812443d1346970595588a367',
  'mixed-sha256': '8502ea56b6baa292e05452ba9048e0a861964d98812443d1346970595588a367',
  'plain-chunks': '75d033699ef94fd43a21749582acf30472b0ac2018510e3d1ca89c18f54ac9bc',
  zeros: '4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe',
};

function sha256(result: Uint8Array | DiskError): string {
  return result instanceof DiskError
    ? summary(result)
    : createHash('sha256').update(result).digest('hex');
}

const BROKEN = 'corrupt codec.xz-broken';
const UNSUPPORTED = 'unsupported codec.xz-unsupported';
const BLOCK_AT = 12;

/** A stream with one block without check, whose LZMA2 data is given. */
function stream(lzma2: readonly number[], header: readonly number[] = [0, 0x21, 1, 0]): Uint8Array {
  const flags = [0, 0];
  const fields = [...header, ...zeros((7 - (header.length % 4)) % 4)];
  const block = [(fields.length + 1) / 4, ...fields];
  const padding = zeros((4 - (lzma2.length % 4)) % 4);
  const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
  return Uint8Array.from([
    ...magic,
    ...flags,
    ...crcOf(flags),
    ...block,
    ...crcOf(block),
    ...lzma2,
    ...padding,
    0,
  ]);
}

const zeros = (count: number) => new Uint8Array(count);

function crcOf(bytes: readonly number[]): Uint8Array {
  const field = new Uint8Array(4);
  writeU32le(field, 0, crc32(Uint8Array.from(bytes)));
  return field;
}

/** Two bytes, stored plainly, and the end. */
const PLAIN = [0x01, 0, 1, 7, 8, 0x00];

describe('xz', () => {
  it.each(seeds('xz'))('decodes %s', async (name, encoded) => {
    expect(sha256(outcome(decoder, encoded, SEED_BYTES))).toBe(CONTENT[name]);
    expect(sha256(await outcomeAsync(decoder, encoded, SEED_BYTES))).toBe(CONTENT[name]);
  });

  it('ignores what follows the blocks', () => {
    const encoded = stream(PLAIN);
    expect(summary(outcome(decoder, encoded, 2))).toBe('0708');
    expect(summary(outcome(decoder, Uint8Array.from([...encoded, 9, 9]), 2))).toBe('0708');
  });

  it('refuses streams that yield more than they should, or less', () => {
    expect(summary(outcome(decoder, stream(PLAIN), 1))).toBe(BROKEN);
    expect(summary(outcome(decoder, stream(PLAIN), 3))).toBe(BROKEN);
    expect(summary(outcome(decoder, new Uint8Array(0), 3))).toBe(BROKEN);
    for (const lengthBytes of [0, 1, SEED_BYTES - 1, SEED_BYTES + 1]) {
      expect(summary(outcome(decoder, seed('xz', 'zeros'), lengthBytes))).toBe(BROKEN);
    }
  });

  it.each([
    ['no such chunk', [0x03, 0, 0, 7, 0]],
    ['a first chunk that goes on', [0x02, 0, 0, 7, 0]],
    ['a first LZMA chunk that resets too little', [0xc0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]],
    ['LZMA without properties after a plain chunk', [1, 0, 0, 7, 0xa0, 0, 0, 0, 4, 0, 0, 0, 0, 0]],
    ['impossible properties', [0xe0, 0, 1, 0, 4, 225, 0, 0, 0, 0, 0, 0]],
    ['too many literal bits', [0xe0, 0, 1, 0, 4, 9 * 4 + 3, 0, 0, 0, 0, 0, 0]],
    ['a chunk of LZMA without room for its code', [0xe0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0]],
    ['a chunk that begins with another byte', [0xe0, 0, 1, 0, 4, 0, 1, 0, 0, 0, 0, 0]],
    ['a match before there is anything', [0xe0, 0, 1, 0, 4, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]],
    ['input that is left over', [0xe0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['an end within a plain chunk', [0x01, 0, 200, 7]],
    ['an end within a chunk', [0xe0, 0, 1, 0, 200, 0, 0, 0, 0, 0, 0]],
  ])('refuses %s', (_, lzma2) => {
    expect(summary(outcome(decoder, stream(lzma2), 2))).toBe(BROKEN);
  });

  it('bounds the work on an LZMA chunk by its output', () => {
    // 2 MiB of zeros out of five bytes: more than fits.
    const lzma2 = [0xff, 0xff, 0xff, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    expect(summary(outcome(decoder, stream(lzma2), 2))).toBe(BROKEN);
  });

  it.each([
    ['an unknown filter', [0, 0x04, 0], UNSUPPORTED],
    ['a filter that is not known', [1, 0x0b, 0, 0x21, 1, 0], UNSUPPORTED],
    ['a filter behind LZMA2', [1, 0x21, 1, 0, 0x03, 1, 0], UNSUPPORTED],
    ['a filter without its properties', [1, 0x03, 0, 0x21, 1, 0], BROKEN],
    ['a filter that begins out of line', [1, 0x05, 4, 2, 0, 0, 0, 0x21, 1, 0], BROKEN],
    ['properties that do not fit', [1, 0x03, 0x7f, 0, 0x21, 1, 0], BROKEN],
    ['reserved flags', [0x04, 0x21, 1, 0], UNSUPPORTED],
    ['a dictionary that cannot be', [0, 0x21, 1, 41], BROKEN],
    ['properties of another length', [0, 0x21, 2, 0, 0], BROKEN],
    ['fields that do not fit', [0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], BROKEN],
    ['a number with a needless byte', [0x40, 0x86, 0x00, 0x21, 1, 0], BROKEN],
    ['another length of its data', [0x40, 5, 0x21, 1, 0], BROKEN],
    ['another length of its content', [0x80, 3, 0x21, 1, 0], BROKEN],
    ['something in its padding', [0, 0x21, 1, 0, 1], BROKEN],
  ])('refuses a block with %s', (_, header, expected) => {
    expect(summary(outcome(decoder, stream(PLAIN, header), 2))).toBe(expected);
  });

  it('takes a block that says how long it is', () => {
    expect(summary(outcome(decoder, stream(PLAIN, [0xc0, 6, 2, 0x21, 1, 0]), 2))).toBe('0708');
  });

  it('refuses flags and checks that it does not know', () => {
    for (const flags of [
      [0, 2],
      [1, 0],
      [0, 0x10],
    ]) {
      const encoded = stream(PLAIN);
      encoded.set([...flags, ...crcOf(flags)], 6);
      expect(summary(outcome(decoder, encoded, 2))).toBe(UNSUPPORTED);
    }
  });

  it.each([0, 7, 8, BLOCK_AT + 1, BLOCK_AT + 8])('notices damage at byte %d', (at) => {
    const encoded = stream(PLAIN);
    encoded[at]! ^= 1;
    expect(summary(outcome(decoder, encoded, 2))).toBe(BROKEN);
  });

  it.each(['mixed-crc64', 'mixed-sha256', 'blocks-with-sizes'])(
    'notices all damage to %s',
    (name) => {
      const encoded = seed('xz', name);
      // From where the index begins on, nothing is looked at.
      const lookedAt = name === 'blocks-with-sizes' ? encoded.length - 44 : encoded.length - 32;
      fc.assert(
        fc.property(damage, (harm) => {
          const harmed = damaged(encoded.subarray(0, lookedAt), harm);
          if (Buffer.compare(harmed, encoded.subarray(0, lookedAt)) === 0) return;
          expect(outcome(decoder, harmed, SEED_BYTES)).toBeInstanceOf(DiskError);
        }),
        { numRuns: 100 },
      );
    },
  );
});
