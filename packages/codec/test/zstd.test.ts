import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { content, damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';
import { encodeZstd } from './support/zstd-encoder.ts';

const decoders = await everyDecoder('zstd');
const BROKEN = 'corrupt codec.zstd-broken';

/** "hello zstd hello zstd" with a checksum, by the zstd command line tool 1.5.4. */
const WITH_CHECKSUM = '28b52ffd04588d00005868656c6c6f207a737464200100de8a17f82e0a7c';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function concat(...parts: (Uint8Array | number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

describe.each(decoders)('zstd, %s', (_name, decoder) => {
  it('gives back what was compressed, with anything behind it', async () => {
    const setting = fc.record({
      level: fc.integer({ min: 1, max: 9 }),
      contentSize: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(content, setting, fc.uint8Array(), async (bytes, options, behind) => {
        const encoded = concat(encodeZstd(bytes, options), behind);
        expect(summary(outcome(decoder, encoded, bytes.length))).toBe(hex(bytes));
        expect(summary(await outcomeAsync(decoder, encoded, bytes.length))).toBe(hex(bytes));
      }),
    );
  });

  it('goes from frame to frame until the output is full', async () => {
    const parts = fc.array(fc.tuple(content, fc.boolean()), { minLength: 1, maxLength: 4 });
    const skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    await fc.assert(
      fc.asyncProperty(parts, async (pieces) => {
        const bytes = concat(...pieces.map(([piece]) => piece));
        const frames = pieces.map(([piece, contentSize]) => encodeZstd(piece, { contentSize }));
        const encoded = concat(skippable, ...frames.flatMap((frame) => [frame, skippable]), [0, 0]);
        expect(summary(outcome(decoder, encoded, bytes.length))).toBe(hex(bytes));
        expect(summary(await outcomeAsync(decoder, encoded, bytes.length))).toBe(hex(bytes));
        expect(summary(outcome(decoder, encoded, bytes.length + 1))).toBe(BROKEN);
      }),
    );
  });

  it('checks the checksum of a frame that has one', () => {
    const encoded = Uint8Array.from(Buffer.from(WITH_CHECKSUM, 'hex'));
    expect(summary(outcome(decoder, encoded, 21))).toBe(hex(Buffer.from('hello zstd hello zstd')));
    encoded[encoded.length - 1]! ^= 1;
    expect(summary(outcome(decoder, encoded, 21))).toBe(BROKEN);
  });

  it.each([true, false])('refuses a frame that is longer than the output (%s)', async (known) => {
    const encoded = encodeZstd(new Uint8Array(70_000), { contentSize: known });
    for (const lengthBytes of [0xffff, 69_999]) {
      expect(summary(outcome(decoder, encoded, lengthBytes))).toBe(BROKEN);
      expect(summary(await outcomeAsync(decoder, encoded, lengthBytes))).toBe(BROKEN);
    }
  });

  it('refuses a frame that is cut short, at any byte', () => {
    const encoded = encodeZstd(Uint8Array.from({ length: 300 }, (_, i) => (i * i) % 97));
    for (let length = 0; length < encoded.length; length++) {
      expect(summary(outcome(decoder, encoded.subarray(0, length), 300))).toBe(BROKEN);
    }
  });

  it('stops after so many frames that give nothing', () => {
    const empty = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
    const encoded = concat(...Array.from({ length: 1100 }, () => empty));
    expect(summary(outcome(decoder, encoded, 10))).toBe('limit codec.zstd-frames');
  });

  it('decodes the largest clusters of qcow2, in any order with small ones', () => {
    for (const lengthBytes of [65_536, 2 * 1024 * 1024, 512, 2 * 1024 * 1024]) {
      const bytes = noise(lengthBytes);
      const encoded = encodeZstd(bytes, { level: 1, contentSize: true });
      expect(hex(outcome(decoder, encoded, lengthBytes) as Uint8Array) === hex(bytes)).toBe(true);
    }
  });

  it('keeps its buffers apart from one unit to the next', () => {
    const long = Uint8Array.from({ length: 100_000 }, (_, index) => index % 253);
    const short = Uint8Array.of(1, 2, 3);
    for (const bytes of [long, short, long]) {
      expect(summary(outcome(decoder, encodeZstd(bytes), bytes.length))).toBe(hex(bytes));
    }
    expect(summary(outcome(decoder, encodeZstd(short), 4))).toBe(BROKEN);
  });
});

it('portable zstd refuses units that its memory cannot take', () => {
  const bytes = new Uint8Array(5 * 1024 * 1024);
  const encoded = encodeZstd(bytes, { level: 1, contentSize: true });
  const [, [, portable]] = decoders as [unknown, (typeof decoders)[0]];
  expect(summary(outcome(portable, encoded, bytes.length))).toBe('limit codec.zstd-unit');
});

/** Bytes that no encoder makes smaller. */
function noise(lengthBytes: number): Uint8Array {
  let state = lengthBytes;
  return new Uint8Array(lengthBytes).map(() => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state >> 16;
  });
}

/**
 * Which damage libzstd notices differs a little from version to version, and what it does not
 * notice it may decode: only a checksum would tell. So all that can be asked is that two versions
 * never give different bytes.
 */
it('no two zstd decoders give different bytes for a damaged stream', async () => {
  await fc.assert(
    fc.asyncProperty(content, fc.boolean(), damage, async (bytes, contentSize, harm) => {
      const encoded = damaged(encodeZstd(bytes, { contentSize }), harm);
      const results: (Uint8Array | DiskError)[] = [];
      for (const [, decoder] of decoders) {
        results.push(outcome(decoder, encoded, bytes.length));
        results.push(await outcomeAsync(decoder, encoded, bytes.length));
      }
      const decoded = results.filter((result) => !(result instanceof DiskError));
      expect(new Set(decoded.map(summary)).size).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});
