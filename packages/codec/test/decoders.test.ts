import { describe, expect, it } from 'vitest';
import { runAsync, runSync } from '@diskfile/core';
import { codecCapabilities, decoders, makeDecoders } from '../src/index.ts';

describe('the set of decoders', () => {
  it.each(['deflate-raw', 'zlib', 'zstd', 'adc', 'bzip2', 'lzfse', 'xz'])('has %s', async (id) => {
    for (const set of [decoders(), makeDecoders(), makeDecoders({ native: false })]) {
      const decoder = runSync(set.load(id));
      expect(decoder.id).toBe(id);
      expect(await runAsync(set.load(id))).toBe(decoder);
    }
  });

  it('refuses what it does not know and says what it does', () => {
    const attempt = () => runSync(decoders().load('rot13'));
    expect(attempt).toThrowError('There is no decoder for rot13');
    expect(attempt).toThrowError(
      expect.objectContaining({
        code: 'unsupported',
        hint: 'Known compressions: deflate-raw, zlib, lz4, zstd, adc, bzip2, lzfse, xz.',
      }),
    );
  });

  it('is shared unless asked for anew', () => {
    expect(decoders()).toBe(decoders());
    expect(makeDecoders()).not.toBe(makeDecoders());
  });

  it('tells which implementations are in use', () => {
    const hasZstd = 'zstdDecompressSync' in process.getBuiltinModule('node:zlib');
    const zstd = hasZstd ? 'node:zlib' : 'zstd-codec';
    const native = { 'deflate-raw': 'node:zlib', zlib: 'node:zlib', zstd };
    const own = { adc: 'diskfile', bzip2: 'diskfile', lzfse: 'diskfile', xz: 'diskfile' };
    expect(codecCapabilities()).toEqual({
      decoders: { ...native, lz4: 'lz4-napi', ...own },
      encoders: { ...native, 'zstd-checked': zstd },
    });
    const portable = { 'deflate-raw': 'pako', zlib: 'pako', zstd: 'zstd-codec' };
    expect(codecCapabilities({ native: false })).toEqual({
      decoders: { ...portable, lz4: 'diskfile', ...own },
      encoders: { ...portable, 'zstd-checked': 'zstd-codec' },
    });
  });
});
