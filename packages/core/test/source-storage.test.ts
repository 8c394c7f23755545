import { describe, expect, it } from 'vitest';
import { asStorage, type ByteSource } from '../src/index.ts';

describe('a source as a storage', () => {
  it('fills no buffer once a read of several has failed', async () => {
    let fillLate = () => {};
    const source: ByteSource = {
      name: 'source',
      sizeBytes: 100,
      synchronous: false,
      readSync() {},
      read(dst, offset) {
        if (offset === 0) return Promise.reject(new Error('bad sector'));
        return new Promise((resolve) => {
          fillLate = () => {
            dst.fill(7);
            resolve();
          };
        });
      },
    };
    const buffers = [new Uint8Array(10), new Uint8Array(10)];
    let failed = false;
    const reading = asStorage(source)
      .readv(buffers, 0)
      .catch(() => (failed = true));
    await new Promise(setImmediate);
    expect(failed).toBe(false);
    fillLate();
    await reading;
    expect(failed).toBe(true);
    expect(buffers[1]![0]).toBe(7);
  });
});
