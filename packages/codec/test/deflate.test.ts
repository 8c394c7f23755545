import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { NativeInflate } from '../src/deflate.ts';
import type { NodeZlib } from '../src/platform.ts';
import { canReuseZlib } from '../src/reused-zlib.ts';
import { content, damage, damaged } from './support/content.ts';
import { everyDecoder, outcome, outcomeAsync, summary } from './support/decoding.ts';

const decoders = await everyDecoder('deflate-raw');
const [[, native], [, portable]] = decoders as [(typeof decoders)[0], (typeof decoders)[0]];

const zlib = process.getBuiltinModule('node:zlib') as unknown as NodeZlib;

/** As QEMU compresses clusters. */
function encode(bytes: Uint8Array, level = 6): Uint8Array {
  return deflateRawSync(bytes, { windowBits: 12, memLevel: 9, level });
}

describe.each(decoders)('deflate, %s', (_name, decoder) => {
  it('gives back what was compressed, with anything behind it', async () => {
    const level = fc.integer({ min: 0, max: 9 });
    await fc.assert(
      fc.asyncProperty(content, level, fc.uint8Array(), async (bytes, setting, behind) => {
        const encoded = Uint8Array.from([...encode(bytes, setting), ...behind]);
        const hex = Buffer.from(bytes).toString('hex');
        expect(summary(outcome(decoder, encoded, bytes.length))).toBe(hex);
        expect(summary(await outcomeAsync(decoder, encoded, bytes.length))).toBe(hex);
      }),
    );
  });

  it('is content with a stream that just stops where the output is full', () => {
    // A stored block that is not the last one, and nothing after it.
    const encoded = Uint8Array.of(0, 3, 0, 0xfc, 0xff, 7, 8, 9);
    expect(summary(outcome(decoder, encoded, 3))).toBe('070809');
  });

  it('ignores what the stream holds beyond the output', async () => {
    const bytes = new Uint8Array(1_000_000).map((_, index) => index % 251);
    const encoded = encode(bytes);
    const head = Buffer.from(bytes.subarray(0, 1000)).toString('hex');
    expect(summary(outcome(decoder, encoded, 1000))).toBe(head);
    expect(summary(await outcomeAsync(decoder, encoded, 1000))).toBe(head);
  });

  it('refuses a block header right behind full output that is none, as zlib does', () => {
    // Three stored bytes, then a block of the reserved type.
    const encoded = Uint8Array.of(0, 3, 0, 0xfc, 0xff, 7, 8, 9, 0x07);
    expect(summary(outcome(decoder, encoded, 2))).toBe('0708');
    expect(summary(outcome(decoder, encoded, 3))).toBe('corrupt codec.deflate-broken');
    expect(summary(outcome(decoder, encoded, 4))).toBe('corrupt codec.deflate-broken');
  });

  it('refuses streams that are too short, empty ones first of all', async () => {
    const short = 'corrupt codec.deflate-short';
    expect(summary(outcome(decoder, new Uint8Array(0), 512))).toBe(short);
    expect(summary(await outcomeAsync(decoder, new Uint8Array(0), 512))).toBe(short);
    expect(summary(outcome(decoder, encode(new Uint8Array(511)), 512))).toBe(short);
    expect(summary(outcome(decoder, new Uint8Array(512), 512))).toMatch(/^corrupt /);
  });

  it('fills an empty output with anything', () => {
    expect(summary(outcome(decoder, Uint8Array.of(0xff), 0))).toBe('');
  });
});

it('native and portable deflate take and refuse the same streams', async () => {
  await fc.assert(
    fc.asyncProperty(content, damage, async (bytes, harm) => {
      const encoded = damaged(encode(bytes), harm);
      const expected = summary(outcome(portable, encoded, bytes.length));
      expect(summary(outcome(native, encoded, bytes.length))).toBe(expected);
      expect(summary(await outcomeAsync(native, encoded, bytes.length))).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

it('damage to deflate streams shows', () => {
  const encoded = encode(new Uint8Array(4096).map((_, index) => index * index));
  const cut = encoded.subarray(0, encoded.length - 20);
  for (const [, decoder] of decoders) expect(outcome(decoder, cut, 4096)).toBeInstanceOf(DiskError);
});

it('one inflater for all units takes and refuses what a new one for each does', async () => {
  const reusing = new NativeInflate(() => zlib, true);
  const renewing = new NativeInflate(() => zlib, false);
  await fc.assert(
    fc.property(content, damage, (bytes, harm) => {
      for (const encoded of [damaged(encode(bytes), harm), encode(bytes)]) {
        const expected = summary(outcome(renewing, encoded, bytes.length));
        expect(summary(outcome(reusing, encoded, bytes.length))).toBe(expected);
      }
    }),
    { numRuns: 300 },
  );
});

it('reuse is for versions of Node that it was tried on', () => {
  expect([20, 22, 24, 26].map(canReuseZlib)).toEqual([true, true, true, true]);
  expect([18, 27].map(canReuseZlib)).toEqual([false, false]);
});
