import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';
import { seed, SEED_BYTES, seeds } from './support/seeds.ts';

const [[, decoder]] = (await everyDecoder('bzip2')) as [
  Awaited<ReturnType<typeof everyDecoder>>[0],
];

/** SHA-256 of what the streams of each name yield, as the program bzip2 has it. */
const CONTENT: Record<string, string> = {
  mixed: '8502ea56b6baa292e05452ba9048e0a861964d98812443d1346970595588a367',
  noise: '75d033699ef94fd43a21749582acf30472b0ac2018510e3d1ca89c18f54ac9bc',
  text: '114c5347ed82de758eaaaf319b90673e530275d427af157f8c7c6ffdc5e71aee',
  zeros: '4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe',
};

const BROKEN = 'corrupt codec.bzip2-broken';

function sha256(result: Uint8Array | DiskError): string {
  return result instanceof DiskError
    ? summary(result)
    : createHash('sha256').update(result).digest('hex');
}

describe('bzip2', () => {
  it.each(seeds('bzip2'))('decodes %s, with anything behind it', async (name, encoded) => {
    const followed = Uint8Array.from([...encoded, 0x42, 0x5a, 0x68]);
    expect(sha256(outcome(decoder, followed, SEED_BYTES))).toBe(CONTENT[name]);
    expect(sha256(await outcomeAsync(decoder, encoded, SEED_BYTES))).toBe(CONTENT[name]);
  });

  it('decodes nothing to nothing', () => {
    const nothing = Uint8Array.of(
      0x42,
      0x5a,
      0x68,
      0x39,
      0x17,
      0x72,
      0x45,
      0x38,
      0x50,
      0x90,
      0,
      0,
      0,
      0,
    );
    expect(summary(outcome(decoder, nothing, 0))).toBe('');
    expect(summary(outcome(decoder, nothing, 1))).toBe(BROKEN);
    expect(summary(outcome(decoder, nothing.subarray(0, 13), 0))).toBe(BROKEN);
  });

  it('refuses streams that yield more than they should, or less', () => {
    for (const lengthBytes of [0, 1, 4, 5, SEED_BYTES - 1, SEED_BYTES + 1]) {
      expect(summary(outcome(decoder, seed('bzip2', 'zeros'), lengthBytes))).toBe(BROKEN);
      expect(summary(outcome(decoder, seed('bzip2', 'text'), lengthBytes))).toBe(BROKEN);
    }
    expect(summary(outcome(decoder, new Uint8Array(0), 1))).toBe(BROKEN);
  });

  it.each([
    ['no level', 3, 0x30],
    ['other bytes', 2, 0x30],
    ['no block and no end', 4, 0x32],
    ['a start outside the block', 15, 0x7f],
  ])('refuses %s', (_, at, value) => {
    const encoded = seed('bzip2', 'zeros');
    encoded[at] = value;
    expect(summary(outcome(decoder, encoded, SEED_BYTES))).toBe(BROKEN);
  });

  it('says that a randomised block cannot be read', () => {
    const encoded = seed('bzip2', 'zeros');
    encoded[14]! |= 0x80;
    const result = outcome(decoder, encoded, SEED_BYTES);
    expect(summary(result)).toBe('unsupported codec.bzip2-unsupported');
  });

  it('notices all damage', () => {
    const encoded = seed('bzip2', 'mixed');
    // The last byte is in part padding.
    const lookedAt = encoded.length - 1;
    fc.assert(
      fc.property(damage, (harm) => {
        const harmed = damaged(encoded.subarray(0, lookedAt), harm);
        if (Buffer.compare(harmed, encoded.subarray(0, lookedAt)) === 0) return;
        expect(outcome(decoder, harmed, SEED_BYTES)).toBeInstanceOf(DiskError);
      }),
      { numRuns: 200 },
    );
  });
});
