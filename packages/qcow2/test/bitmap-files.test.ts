import { expect, it } from 'vitest';
import { contentOf } from './support/content.ts';
import { createImage, ImageFiles, openWritable } from './support/writable-image.ts';

it('gives back the space of bitmaps that were stored once more, and of removed ones', () => {
  const files = createImage(new ImageFiles(), 1024 * 1024, { cluster_size: 4096 });
  const emptyBytes = files.image.sizeBytes;
  for (let round = 0; round < 5; round++) {
    const disk = openWritable(files);
    if (round === 0) disk.capabilities.bitmaps!.createSync('changes');
    disk.writeSync(contentOf(round, 4096), 4096);
    disk.closeSync();
  }
  const disk = openWritable(files);
  disk.discardSync(0, disk.sizeBytes);
  disk.capabilities.bitmaps!.removeSync('changes');
  disk.closeSync();
  // The one L2 table stays, where it was placed behind the first bitmap.
  expect(files.image.sizeBytes).toBeLessThanOrEqual(emptyBytes + 4 * 4096);
});
