import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage, runAsync, runSync } from '@diskfile/core';
import {
  type CryptoProvider,
  describeLuks,
  loadCrypto,
  LUKS_HEADER_BYTES,
  luksHeaderBytes,
  openLuks,
  parseLuksOptions,
  readLuksHeader,
  writeNewHeader,
} from '../src/index.ts';
import { mergeKey, splitKey } from '../src/luks/anti-forensic.ts';

const native = runSync(loadCrypto());
const portable = await runAsync(loadCrypto({ native: false }));
const text = (value: string) => new TextEncoder().encode(value);

function newHeader(provider: CryptoProvider, given: object = {}, hostOffset = 0): MemoryStorage {
  const options = parseLuksOptions({ 'iter-time': 1, ...given });
  const storage = new MemoryStorage(new Uint8Array(0));
  runSync(writeNewHeader({ storage, hostOffset, provider }, options, text('open sesame')));
  storage.truncateSync(hostOffset + luksHeaderBytes(options.keyBytes) + 4096);
  return storage;
}

function boundsOf({ sizeBytes }: MemoryStorage, at = 0) {
  return { availableBytes: sizeBytes - at, maxKeyIterations: 32_000_000 };
}

function open(storage: MemoryStorage, provider: CryptoProvider, passphrase: string, at = 0) {
  const header = runSync(readLuksHeader({ storage, hostOffset: at }, boundsOf(storage, at)));
  const place = { storage, hostOffset: at, provider };
  return runSync(openLuks(place, header, text(passphrase)));
}

describe('a LUKS header', () => {
  it.each([
    {},
    { 'cipher-alg': 'aes-128' },
    { 'cipher-alg': 'aes-192' },
    { 'cipher-mode': 'cbc', 'ivgen-alg': 'essiv' },
    { 'cipher-mode': 'cbc', 'cipher-alg': 'aes-192', 'ivgen-alg': 'plain' },
    { 'cipher-mode': 'ctr' },
    { 'cipher-mode': 'ecb', 'hash-alg': 'sha512' },
    { 'hash-alg': 'sha1' },
  ])('opens with its passphrase and no other: %o', (options) => {
    const storage = newHeader(native, options, 512);
    const cipher = open(storage, native, 'open sesame', 512);
    const bytes = text('sixteen bytes!! '.repeat(32));
    cipher.encrypt(bytes, 3);
    open(storage, native, 'open sesame', 512).decrypt(bytes, 3);
    expect(new TextDecoder().decode(bytes)).toBe('sixteen bytes!! '.repeat(32));
    expect(() => open(storage, native, 'open sesame\n', 512)).toThrow(
      expect.objectContaining({ code: 'wrong-key' }),
    );
  });

  it('made in plain JavaScript opens natively, and the other way round', () => {
    const bytes = new Uint8Array(512).fill(7);
    open(newHeader(portable), native, 'open sesame').encrypt(bytes, 0);
    open(newHeader(native), portable, 'open sesame').encrypt(bytes, 0);
  });

  it('says what it is', () => {
    const storage = newHeader(native, { 'cipher-mode': 'cbc', 'ivgen-alg': 'essiv' });
    const header = runSync(readLuksHeader({ storage, hostOffset: 0 }, boundsOf(storage)));
    expect(describeLuks(header)).toMatchObject({
      cipher: 'aes-256',
      cipherMode: 'cbc',
      ivGenerator: 'essiv',
      ivGeneratorHash: 'sha256',
      hash: 'sha256',
      payloadOffset: 1_052_672,
      slots: Array.from({ length: 8 }, (_, at) => ({ active: at === 0 })),
    });
  });

  it.each(['constructor', '__proto__', 'toString'])('with a cipher called %s says so', (name) => {
    const storage = newHeader(native);
    storage.writeSync(text(name.padEnd(32, '\0')), 8);
    const header = runSync(readLuksHeader({ storage, hostOffset: 0 }, boundsOf(storage)));
    const fault = `Algorithm '${name}' with key size 32 bytes not supported`;
    expect(describeLuks(header)).toMatchObject({ unsupported: fault });
    expect(() => open(storage, native, 'open sesame')).toThrow(
      expect.objectContaining({ detail: 'luks.names', message: expect.stringContaining(fault) }),
    );
  });

  it('is refused or opened, whatever is damaged, and in bounded time', () => {
    const pristine = newHeader(native).bytes.slice(0, LUKS_HEADER_BYTES);
    const damage = fc.record({ at: fc.nat(LUKS_HEADER_BYTES - 1), byte: fc.nat(255) });
    const length = fc.nat(2_100_000);
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 4 }), length, (damages, sizeBytes) => {
        const bytes = new Uint8Array(sizeBytes);
        bytes.set(pristine.subarray(0, sizeBytes));
        for (const { at, byte } of damages) if (at < sizeBytes) bytes[at] = byte;
        try {
          const storage = new MemoryStorage(bytes);
          runSync(readLuksHeader({ storage, hostOffset: 0 }, boundsOf(storage)));
        } catch (error) {
          expect(error).toBeInstanceOf(DiskError);
        }
      }),
    );
  });

  it.each([
    ['no iterations', 164, [0, 0, 0, 0], 'luks.iterations'],
    ['iterations for years', 212, [0xff, 0xff, 0xff, 0xff], 'luks.iterations'],
    ['a huge key', 108, [0x7f, 0, 0, 0], 'luks.key-bytes'],
    ['no key', 108, [0, 0, 0, 0], 'luks.key-bytes'],
    ['data within the header', 104, [0, 0, 0, 1], 'luks.payload-offset'],
    ['key material past the end', 248, [0x7f, 0, 0, 0], 'luks.key-material'],
    ['key material of two slots in one place', 296, [0, 0, 0, 9], 'luks.key-material'],
    ['a million stripes', 252, [0, 0x10, 0, 0], 'luks.stripes'],
    ['a slot in no state', 208, [1, 2, 3, 4], 'luks.slot-state'],
    ['version 2', 6, [0, 2], 'luks.version'],
  ])('with %s is refused', (_what, at, bytes, detail) => {
    const storage = newHeader(native);
    storage.writeSync(Uint8Array.from(bytes), at);
    expect(() => open(storage, native, 'x')).toThrow(expect.objectContaining({ detail }));
  });
});

describe('splitting a key', () => {
  it('is undone by merging', () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 70 });
    const hash = fc.constantFrom('sha1', 'sha256', 'sha512', 'ripemd160');
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 9 }), hash, (bytes, stripes, name) => {
        const options = { provider: portable, hash: name, stripes };
        const material = splitKey(bytes, options);
        expect(material.length).toBe(bytes.length * stripes);
        expect(mergeKey(material, options)).toEqual(bytes);
      }),
      { numRuns: 40 },
    );
  });
});

describe('options', () => {
  it.each([
    { 'cipher-alg': 'serpent-256' },
    { 'cipher-mode': 'gcm' },
    { 'ivgen-alg': 'random' },
    { 'hash-alg': 'crc32' },
    { 'iter-time': -1 },
    { 'iter-time': 'soon' },
  ])('that make no disk are refused: %o', (values) => {
    expect(() => parseLuksOptions(values)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});
