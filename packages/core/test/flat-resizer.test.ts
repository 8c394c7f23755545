import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { FlatResizer, MemoryStorage, runSync } from '../src/index.ts';

/** A host without room: files get longer there, and nothing is written. */
class FullStorage extends MemoryStorage {
  override writeSync(): void {
    throw new DiskError('io', 'test.full', 'There is no space left');
  }
}

describe('a disk whose every byte has its place in a file', () => {
  it.each([
    { bytes: 0, preallocation: 'off' },
    { bytes: 0, preallocation: 'full' },
    { bytes: 512, preallocation: 'full' },
  ] as const)('stays as long as it was where there is no room: %o', ({ bytes, preallocation }) => {
    const storage = new FullStorage(new Uint8Array(bytes));
    const size = { sizeBytes: bytes };
    const resizer = new FlatResizer(storage, size);
    const nothing = function* () {};
    const growing = resizer.resize({
      sizeBytes: 1024 * 1024,
      exactBytes: 1024 * 1024,
      preallocation,
      backingBytes: 0,
      writeZeros: nothing,
      readsEnded: nothing,
    });
    const context =
      preallocation === 'full'
        ? expect.objectContaining({ purpose: 'preallocated-zeros', format: 'raw' })
        : expect.not.objectContaining({ purpose: expect.anything() });
    expect(() => runSync(growing)).toThrow(
      expect.objectContaining({
        detail: 'test.full',
        context: bytes === 0 ? expect.anything() : context,
      }),
    );
    expect([size.sizeBytes, storage.sizeBytes]).toEqual([bytes, bytes]);
  });

  it.each([
    { from: 1024, exactBytes: 1000, sizeBytes: 1024 },
    { from: 700, exactBytes: 1001, sizeBytes: 1024 },
    { from: 2048, exactBytes: 513, sizeBytes: 1024 },
  ])('lets a file end within a sector: %o', ({ from, exactBytes, sizeBytes }) => {
    const storage = new MemoryStorage(new Uint8Array(from));
    const size = { sizeBytes: Math.ceil(from / 512) * 512 };
    const resizer = new FlatResizer(storage, size, { endsAnywhere: true });
    const nothing = function* () {};
    const space = { sizeBytes, exactBytes, preallocation: 'off' } as const;
    const request = { ...space, backingBytes: 0, writeZeros: nothing, readsEnded: nothing };
    runSync(resizer.resize(request));
    expect([size.sizeBytes, storage.sizeBytes]).toEqual([sizeBytes, exactBytes]);
  });
});
