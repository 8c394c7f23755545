/** The committed images, read in full and compared with what the kernel saw. */
import { MemoryStorage } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { differences, open } from './support/compare.ts';
import { expectVolumeFacts } from './support/expectations.ts';
import { SMALL_IMAGES, smallImage } from './support/small-images.ts';

describe.each(SMALL_IMAGES)('image %s', (name) => {
  const { facts, manifest, bytes } = smallImage(name);

  it.each(['sync', 'async'] as const)('reads as the kernel reads it, %s', async (mode) => {
    const { fs, volume } = await open(new MemoryStorage(bytes(), name), mode);
    expect(await differences(fs, manifest, mode)).toEqual([]);
    expect(volume.warnings).toEqual([]);
  });

  it('says what it is', async () => {
    const { volume } = await open(new MemoryStorage(bytes(), name), 'sync');
    expectVolumeFacts(volume, facts);
  });

  it('never writes to its source', async () => {
    const image = bytes();
    const { fs } = await open(new MemoryStorage(image, name), 'sync');
    await differences(fs, manifest, 'sync');
    expect(Buffer.compare(image, bytes())).toBe(0);
  });
});
