import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage, runSync } from '@diskfile/core';
import { CipherStorage, GuestKeyedData, loadCrypto, sectorCipher } from '../src/index.ts';

const provider = runSync(loadCrypto());
const spec = { cipher: 'aes', mode: 'xts', ivGenerator: 'plain64', ivHash: undefined };
const cipher = sectorCipher(
  provider,
  spec,
  Uint8Array.from({ length: 64 }, (_, at) => at),
);
const SIZE = 16 * 512;

function encryptedDisk(): { storage: MemoryStorage; clear: CipherStorage; model: Uint8Array } {
  const model = Uint8Array.from({ length: SIZE }, (_, at) => (at * 13) % 256);
  const bytes = new Uint8Array(1024 + SIZE);
  bytes.set(model, 1024);
  cipher.encrypt(bytes.subarray(1024), 0);
  const storage = new MemoryStorage(bytes);
  return { storage, clear: new CipherStorage(storage, { cipher, keyOffset: -1024 }), model };
}

const range = fc
  .tuple(fc.nat(SIZE - 1), fc.nat(3000))
  .map(([at, length]) => ({ at, length: Math.min(length, SIZE - at) }));

describe('CipherStorage', () => {
  it('reads and writes any range, sectors or not, in both forms', async () => {
    const step = fc.record({ range, write: fc.boolean(), sync: fc.boolean(), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { clear, model, storage } = encryptedDisk();
        for (const {
          range: { at, length },
          write,
          sync,
          byte,
        } of steps) {
          if (write) {
            const src = new Uint8Array(length).fill(byte);
            if (sync) clear.writeSync(src, 1024 + at);
            else await clear.write(src, 1024 + at);
            expect(src.every((each) => each === byte)).toBe(true);
            model.set(src, at);
            continue;
          }
          const dst = new Uint8Array(length);
          if (sync) clear.readSync(dst, 1024 + at);
          else await clear.read(dst, 1024 + at);
          expect(dst).toEqual(model.slice(at, at + length));
        }
        const all = [new Uint8Array(100), new Uint8Array(SIZE - 100)];
        await clear.readv(all, 1024);
        expect(Buffer.concat(all).equals(model)).toBe(true);
        const raw = storage.bytes.slice(1024);
        cipher.decrypt(raw, 0);
        expect(Buffer.from(raw).equals(model)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('makes no holes, since zeros of the host are no zeros here', () => {
    const { clear } = encryptedDisk();
    expect(clear.punchHoleSync()).toBe(false);
    expect(clear.hostRangeSync(0, 512)).toEqual({ data: true, lengthBytes: 512 });
  });
});

describe('GuestKeyedData', () => {
  it('gives neighbours one storage, and others one of their own', () => {
    const data = new GuestKeyedData(new MemoryStorage(new Uint8Array(8192)), cipher);
    const first = data.at(4096, 0);
    expect(data.at(4608, 512)).toBe(first);
    expect(data.at(4096, 512)).not.toBe(first);
    first.writeSync(new Uint8Array(512).fill(9), 4096);
    const expected = new Uint8Array(512).fill(9);
    expect(data.at(4096, 0)).not.toBe(first);
    const dst = new Uint8Array(512);
    data.at(4096, 0).readSync(dst, 4096);
    expect(dst).toEqual(expected);
  });
});
