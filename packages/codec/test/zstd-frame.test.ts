import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError, readZstdFrame } from '@diskfile/bytes';
import { content } from './support/content.ts';
import { encodeZstd } from './support/zstd-encoder.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

function frameOf(...bytes: number[]): Uint8Array {
  return Uint8Array.of(...MAGIC, ...bytes);
}

/** A raw block, the last one, of the given content. */
function lastRawBlock(...bytes: number[]): number[] {
  return [(bytes.length << 3) | 1, 0, 0, ...bytes];
}

describe('the end of a zstd frame', () => {
  it('is found behind anything that an encoder writes, whatever follows', () => {
    fc.assert(
      fc.property(content, fc.boolean(), fc.uint8Array(), (bytes, contentSize, behind) => {
        const encoded = encodeZstd(bytes, { contentSize });
        const frame = readZstdFrame(Uint8Array.from([...encoded, ...behind]), 0);
        expect(frame.end).toBe(encoded.length);
        expect(frame.skippable).toBe(false);
        expect(frame.contentBytes).toBe(contentSize ? bytes.length : undefined);
      }),
    );
  });

  it('is found from any start', () => {
    const encoded = encodeZstd(new Uint8Array(1000));
    const shifted = Uint8Array.from([1, 2, 3, ...encoded, 4]);
    expect(readZstdFrame(shifted, 3).end).toBe(3 + encoded.length);
  });

  // RFC 8878, section 3.1.1.1: the lengths of the optional header fields.
  it.each([
    ['window descriptor', [0x00, 0x00], undefined],
    ['one-byte content size', [0x20, 2], 2],
    ['two-byte content size', [0x60, 2, 1], 0x102 + 256],
    ['four-byte content size', [0xa0, 2, 1, 0, 0], 0x102],
    ['eight-byte content size', [0xe0, 2, 1, 0, 0, 0, 0, 0, 0], 0x102],
    ['window and two-byte content size', [0x40, 0x58, 0, 0], 256],
    ['one-byte dictionary id 0', [0x21, 0, 2], 2],
    ['two-byte dictionary id 0', [0x22, 0, 0, 2], 2],
    ['four-byte dictionary id 0', [0x23, 0, 0, 0, 0, 2], 2],
  ])('is found behind a header with %s', (_name, header, contentBytes) => {
    const frame = frameOf(...header, ...lastRawBlock(7, 8));
    expect(readZstdFrame(frame, 0)).toEqual({ end: frame.length, skippable: false, contentBytes });
  });

  it('is found behind blocks of every type', () => {
    const raw = [(2 << 3) | 0, 0, 0, 1, 2];
    const rle = [(5 << 3) | (1 << 1), 0, 0, 9];
    const compressed = [(3 << 3) | (2 << 1), 0, 0, 1, 2, 3];
    const frame = frameOf(0, 0, ...raw, ...rle, ...compressed, ...lastRawBlock());
    expect(readZstdFrame(frame, 0).end).toBe(frame.length);
  });

  it('includes the checksum', () => {
    const frame = frameOf(0x24, 1, ...lastRawBlock(7), 1, 2, 3, 4);
    expect(readZstdFrame(frame, 0).end).toBe(frame.length);
    expect(() => readZstdFrame(frame.subarray(0, -1), 0)).toThrowError(DiskError);
  });

  it('is found behind skippable frames', () => {
    const frame = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3, 0xff);
    expect(readZstdFrame(frame, 0)).toEqual({ end: 11, skippable: true, contentBytes: undefined });
    expect(() => readZstdFrame(frame.subarray(0, 10), 0)).toThrowError(DiskError);
  });
});

describe('what is no zstd frame', () => {
  it('is anything that is cut short, at any byte', () => {
    const whole = frameOf(0xa4, 1, 0, 0, 0, ...lastRawBlock(7), 1, 2, 3, 4);
    for (let length = 0; length < whole.length; length++) {
      expect(() => readZstdFrame(whole.subarray(0, length), 0)).toThrowError(
        expect.objectContaining({ code: 'corrupt', detail: 'codec.zstd-broken' }),
      );
    }
  });

  it.each([
    ['another magic', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfc, 0x20, 0, 1, 0, 0), 'no frame begins'],
    ['padding', new Uint8Array(512), 'no frame begins'],
    ['a reserved header bit', frameOf(0x28, 0, 1, 0, 0), 'reserved header bit'],
    ['a reserved block type', frameOf(0x20, 0, 0x07, 0, 0), 'reserved type'],
    ['a block above 128 KiB', frameOf(0, 0, 0x09, 0, 0x10), '131073'],
  ])('is %s', (_name, bytes, message) => {
    expect(() => readZstdFrame(bytes, 0)).toThrowError(message);
    expect(() => readZstdFrame(bytes, 0)).toThrowError(DiskError);
  });

  it('may need a dictionary, and is not broken then', () => {
    expect(() => readZstdFrame(frameOf(0x21, 7, 0, 1, 0, 0), 0)).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'codec.zstd-dictionary' }),
    );
  });

  it('asks for no larger window than libzstd grants', () => {
    const withWindow = (descriptor: number) => frameOf(0, descriptor, ...lastRawBlock(7));
    expect(readZstdFrame(withWindow(17 << 3), 0).end).toBe(10);
    expect(() => readZstdFrame(withWindow((17 << 3) | 1), 0)).toThrowError(
      expect.objectContaining({ code: 'limit', detail: 'codec.zstd-window' }),
    );
  });

  it('is anything at random, and says so with a DiskError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, magic) => {
        const stream = magic ? frameOf(...bytes) : bytes;
        try {
          const { end } = readZstdFrame(stream, 0);
          expect(end).toBeGreaterThan(4);
          expect(end).toBeLessThanOrEqual(stream.length);
        } catch (error) {
          expect(error).toBeInstanceOf(DiskError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
