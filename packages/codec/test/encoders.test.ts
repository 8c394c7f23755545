import { deflateRawSync, inflateRawSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Encoder, runAsync, runSync } from '@diskfile/core';
import { DEFLATE_RAW, nativeDeflate } from '../src/deflate-encoder.ts';
import { type EncoderId, encoders, makeDecoders, makeEncoders } from '../src/index.ts';
import type { NodeZlib } from '../src/platform.ts';
import { content } from './support/content.ts';

const IDS = ['deflate-raw', 'zstd', 'zstd-checked'] as const;
/** What decodes it. */
const decoderOf = (id: EncoderId) => (id === 'zstd-checked' ? 'zstd' : id);
const zlib = process.getBuiltinModule('node:zlib') as unknown as NodeZlib;

function everyEncoder(id: EncoderId): [string, Encoder][] {
  const portable = makeEncoders({ native: false });
  return [
    ['native', runSync(makeEncoders().load(id))],
    ['native, fast', runSync(makeEncoders().load(id, 1))],
    ['portable', runSync(portable.load(id))],
    ['portable, slow', runSync(portable.load(id, 9))],
  ];
}

function noise(lengthBytes: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: lengthBytes }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

/** Words that come again in no order, so that more effort finds more of them. */
function contentOf(lengthBytes: number): Uint8Array {
  const words = noise(2000);
  const bytes = new Uint8Array(lengthBytes);
  const picks = noise(lengthBytes);
  for (let at = 0, pick = 0; at < lengthBytes; pick += 2) {
    const start = (picks[pick]! * 256 + picks[pick + 1]!) % 1900;
    const word = words.subarray(start, start + 4 + (picks[pick]! % 30));
    bytes.set(word.subarray(0, lengthBytes - at), at);
    at += word.length;
  }
  return bytes;
}

describe.each(IDS)('%s', (id) => {
  const decoders = [true, false].map((native) =>
    runSync(makeDecoders({ native }).load(decoderOf(id))),
  );

  describe.each(everyEncoder(id))('%s', (_, encoder) => {
    it('makes what every decoder takes, in both forms', async () => {
      await fc.assert(
        fc.asyncProperty(content, async (bytes) => {
          const encoded = new Uint8Array(bytes.length + 200);
          const again = encoded.slice();
          const streams = [
            encoded.subarray(0, encoder.encodeSync(bytes, encoded)),
            again.subarray(0, await encoder.encode(bytes, again)),
          ];
          for (const stream of streams) {
            for (const decoder of decoders) {
              const decoded = new Uint8Array(bytes.length);
              decoder.decodeSync(stream, decoded);
              expect(Buffer.compare(decoded, bytes)).toBe(0);
            }
          }
        }),
        { numRuns: 60 },
      );
    });

    it('says when the output would fill the room that it has', async () => {
      const bytes = noise(20_000);
      bytes.fill(7, 0, 8000);
      const whole = new Uint8Array(bytes.length);
      const length = encoder.encodeSync(bytes, whole)!;
      expect(length).toBeLessThan(13_000);
      for (const room of [0, 1, 100, length - 1, length]) {
        expect(encoder.encodeSync(bytes, new Uint8Array(room))).toBeUndefined();
        expect(await encoder.encode(bytes, new Uint8Array(room))).toBeUndefined();
      }
      expect(encoder.encodeSync(bytes, new Uint8Array(length + 1))).toBe(length);
      expect(await encoder.encode(bytes, new Uint8Array(length + 1))).toBe(length);
      expect(encoder.encodeSync(noise(4096), new Uint8Array(4096))).toBeUndefined();
      expect(await encoder.encode(noise(65_536), new Uint8Array(65_536))).toBeUndefined();
    });

    it('goes on as before after a unit that did not fit', async () => {
      const bytes = contentOf(60_000);
      const first = new Uint8Array(60_000);
      const length = encoder.encodeSync(bytes, first)!;
      for (let round = 0; round < 3; round++) {
        expect(encoder.encodeSync(noise(60_000), new Uint8Array(60_000))).toBeUndefined();
        const again = new Uint8Array(60_000);
        expect(encoder.encodeSync(bytes, again)).toBe(length);
        expect(Buffer.compare(again, first)).toBe(0);
        await Promise.all(
          Array.from({ length: 20 }, async (_unused, index) => {
            const unit = index % 2 === 0 ? bytes : noise(60_000);
            const encoded = new Uint8Array(60_000);
            expect(await encoder.encode(unit, encoded)).toBe(index % 2 === 0 ? length : undefined);
            if (index % 2 === 0) expect(Buffer.compare(encoded, first)).toBe(0);
          }),
        );
      }
    });

    it('takes the largest unit', () => {
      const bytes = new Uint8Array(2 * 1024 * 1024);
      for (let at = 0; at < bytes.length - 3000; at += 3000) {
        bytes.set(noise(1 + (at % 2500)), at);
      }
      const encoded = new Uint8Array(bytes.length);
      const length = encoder.encodeSync(bytes, encoded)!;
      expect(length).toBeLessThan(bytes.length);
      const decoded = new Uint8Array(bytes.length);
      decoders[0]!.decodeSync(encoded.subarray(0, length), decoded);
      expect(Buffer.compare(decoded, bytes)).toBe(0);
    });

    it('does many at a time', async () => {
      const units = Array.from({ length: 40 }, (_unused, index) => {
        return new Uint8Array(20_000).map((_byte, at) => (at * (index + 1)) % 251);
      });
      const encoded = units.map(() => new Uint8Array(20_000));
      const lengths = await Promise.all(
        units.map((unit, index) => encoder.encode(unit, encoded[index]!)),
      );
      for (const [index, unit] of units.entries()) {
        const decoded = new Uint8Array(unit.length);
        decoders[0]!.decodeSync(encoded[index]!.subarray(0, lengths[index]), decoded);
        expect(Buffer.compare(decoded, unit)).toBe(0);
      }
    });
  });

  it('keeps its level from unit to unit', () => {
    const bytes = contentOf(60_000);
    const lengths = [1, undefined, 9].map((level) => {
      const encoder = runSync(makeEncoders().load(id, level));
      const all = [1, 2, 3].map(() => encoder.encodeSync(bytes, new Uint8Array(60_000))!);
      expect(new Set(all).size).toBe(1);
      return all[0]!;
    });
    expect(lengths[0]).toBeGreaterThan(lengths[1]!);
    expect(lengths[1]).toBeGreaterThan(lengths[2]!);
  });

  it('does what is documented where streams cannot be reused', () => {
    const bytes = new Uint8Array(10_000).map((_, at) => at % 100);
    const encoder = nativeDeflate(zlib, DEFLATE_RAW, 6, false);
    const encoded = new Uint8Array(10_000);
    const length = encoder.encodeSync(bytes, encoded)!;
    expect(inflateRawSync(encoded.subarray(0, length))).toEqual(Buffer.from(bytes));
    expect(encoder.encodeSync(bytes, new Uint8Array(length))).toBeUndefined();
  });
});

describe.each(everyEncoder('zlib'))('zlib, %s', (_, encoder) => {
  it('makes whole streams, in both forms, also of what gets longer', async () => {
    for (const bytes of [noise(10_000), contentOf(65_536), new Uint8Array(512)]) {
      const room = new Uint8Array(bytes.length + 200);
      const lengths = [encoder.encodeSync(bytes, room), await encoder.encode(bytes, room)];
      expect(lengths[0]).toBe(lengths[1]);
      const stream = room.subarray(0, lengths[0]);
      // The end of the stream is checked, checksum included.
      expect(Buffer.compare(inflateSync(stream), bytes)).toBe(0);
      expect(() => inflateSync(stream.subarray(0, -1))).toThrowError('unexpected end of file');
      expect(encoder.encodeSync(bytes, new Uint8Array(lengths[0]!))).toBeUndefined();
    }
  });
});

describe('the window of deflate', () => {
  const bytes = noise(32_768);
  // Repeats from further back that a larger window would make use of.
  bytes.copyWithin(8192, 0, 4000);
  bytes.copyWithin(16_384, 0, 4000);
  bytes.fill(1, 20_000);

  /** With little room at a time zlib has to look into its window. */
  const inflate = (stream: Uint8Array) =>
    inflateRawSync(stream, { windowBits: 12, chunkSize: 512 });

  it.each(everyEncoder('deflate-raw'))('has 4 KiB: %s', (_, encoder) => {
    const encoded = new Uint8Array(bytes.length);
    const length = encoder.encodeSync(bytes, encoded)!;
    expect(Buffer.compare(inflate(encoded.subarray(0, length)), bytes)).toBe(0);
  });

  it('matters', () => {
    expect(() => inflate(deflateRawSync(bytes))).toThrowError('invalid distance too far back');
  });
});

describe('the set of encoders', () => {
  it.each(IDS)('keeps %s for each level', async (id) => {
    for (const set of [encoders(), makeEncoders({ native: false })]) {
      const encoder = runSync(set.load(id));
      expect(encoder.id).toBe(decoderOf(id));
      expect(await runAsync(set.load(id))).toBe(encoder);
      expect(runSync(set.load(id, 1))).not.toBe(encoder);
      expect(runSync(set.load(id, id === 'deflate-raw' ? 5 : 3))).toBe(encoder);
    }
  });

  it.each([0, 10, -1, 1.5, Number.NaN])('has no level %s of deflate', (level) => {
    expect(() => runSync(encoders().load('deflate-raw', level))).toThrowError(
      expect.objectContaining({ code: 'invalid-argument', detail: 'codec.level' }),
    );
  });

  it('refuses what it does not know', () => {
    expect(() => runSync(encoders().load('lzma'))).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'codec.unknown' }),
    );
  });
});
