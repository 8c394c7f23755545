import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runAsync, runSync } from '@diskfile/core';
import { loadCrypto, sectorCipher } from '../src/index.ts';

const native = runSync(loadCrypto());
const portable = await runAsync(loadCrypto({ native: false }));

const MODES = [
  { mode: 'xts', keyBytes: 32, name: 'aes-128-xts' },
  { mode: 'xts', keyBytes: 64, name: 'aes-256-xts' },
  { mode: 'cbc', keyBytes: 16, name: 'aes-128-cbc' },
  { mode: 'cbc', keyBytes: 24, name: 'aes-192-cbc' },
  { mode: 'cbc', keyBytes: 32, name: 'aes-256-cbc' },
  { mode: 'ctr', keyBytes: 32, name: 'aes-256-ctr' },
] as const;

const spec = (mode: string, ivGenerator = 'plain64') => ({
  cipher: 'aes',
  mode,
  ivGenerator,
  ivHash: 'sha256',
});
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

function plainIv(sector: number): Uint8Array {
  const iv = new Uint8Array(16);
  new DataView(iv.buffer).setBigUint64(0, BigInt(sector), true);
  return iv;
}

describe.each(MODES)('$name', ({ mode, keyBytes, name }) => {
  const sectors = fc.integer({ min: 1, max: 70 });

  it('gives what OpenSSL gives for each sector, and back', () => {
    fc.assert(
      fc.property(bytesOf(keyBytes), sectors, fc.nat(2 ** 31), (key, count, first) => {
        // OpenSSL refuses XTS with two equal halves.
        fc.pre(mode !== 'xts' || !key.every((byte, at) => byte === key[at % (keyBytes / 2)]));
        const clear = Uint8Array.from(
          { length: count * 512 },
          (_, at) => (at * 7 + at / 512) % 256,
        );
        const expected = Buffer.concat(
          Array.from({ length: count }, (_, at) => {
            const cipher = createCipheriv(name, key, plainIv(first + at)).setAutoPadding(false);
            return cipher.update(clear.subarray(at * 512, at * 512 + 512));
          }),
        );
        const bytes = clear.slice();
        const cipher = sectorCipher(native, spec(mode), key);
        cipher.encrypt(bytes, first);
        expect(Buffer.from(bytes).equals(expected)).toBe(true);
        cipher.decrypt(bytes, first);
        expect(Buffer.from(bytes).equals(clear)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it.each(['plain', 'plain64', 'essiv'])('is the same in plain JavaScript, %s', (generator) => {
    const key = Uint8Array.from({ length: keyBytes }, (_, at) => at * 3);
    const clear = Uint8Array.from({ length: 3 * 512 }, (_, at) => at % 251);
    const [theirs, ours] = [native, portable].map((provider) => {
      const bytes = clear.slice();
      const cipher = sectorCipher(provider, spec(mode, generator), key);
      cipher.encrypt(bytes, 5_000_000_000);
      const encrypted = bytes.slice();
      cipher.decrypt(bytes, 5_000_000_000);
      expect(bytes).toEqual(clear);
      return encrypted;
    });
    expect(Buffer.from(ours!).equals(theirs!)).toBe(true);
  });
});

describe('sectorCipher', () => {
  it('begins anew after 2 TiB with plain, and goes on with plain64', () => {
    const key = new Uint8Array(16).fill(1);
    const encrypt = (generator: string, sector: number) => {
      const bytes = new Uint8Array(512);
      sectorCipher(native, spec('cbc', generator), key).encrypt(bytes, sector);
      return bytes;
    };
    expect(encrypt('plain', 2 ** 32 + 7)).toEqual(encrypt('plain', 7));
    expect(encrypt('plain64', 2 ** 32 + 7)).not.toEqual(encrypt('plain64', 7));
  });

  it.each([
    [{ ...spec('xts'), cipher: 'serpent' }, 64, 'crypto.not-there'],
    [spec('gcm'), 32, 'crypto.not-there'],
    [spec('cbc', 'benbi'), 32, 'crypto.not-there'],
    [{ ...spec('cbc', 'essiv'), ivHash: 'sha512' }, 32, 'crypto.not-there'],
    [{ ...spec('cbc', 'essiv'), ivHash: 'tiger' }, 32, 'crypto.not-there'],
    [spec('xts'), 40, 'crypto.key-length'],
    [spec('cbc'), 17, 'crypto.key-length'],
  ])('refuses %o with %i bytes of key', (given, keyBytes, detail) => {
    expect(() => sectorCipher(native, given, new Uint8Array(keyBytes))).toThrow(
      expect.objectContaining({ name: 'DiskError', code: 'unsupported', detail }),
    );
  });
});
