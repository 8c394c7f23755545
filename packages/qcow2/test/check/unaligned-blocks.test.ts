import { describe, expect, it } from 'vitest';
import { MemoryStorage, runSync } from '@diskfile/core';
import { checkQcow2 } from '../../src/check/check-qcow2.ts';
import { checkContext } from '../support/check-context.ts';
import { createImage, ImageFiles } from '../support/writable-image.ts';

/** A refcount table whose first entry is that one; clusters have 64 KiB. */
function withEntry(entry: bigint): MemoryStorage {
  const { imageBytes } = createImage(new ImageFiles(), 1024 * 1024, {});
  const view = new DataView(imageBytes.buffer);
  view.setBigUint64(Number(view.getBigUint64(48)), entry);
  return new MemoryStorage(imageBytes, 'image');
}

describe('refcount blocks where no cluster begins', () => {
  const UNALIGNED = 'ERROR refcount block 0 is not cluster aligned; refcount table entry corrupted';

  // As numbers, the larger ones are multiples of a cluster.
  it.each([0x2_0200n, 0x40_0000_0000_0200n, 0x7fff_ffff_fffe_0200n, 0xffff_ffff_ffff_fe00n])(
    'are found however large their offset is: %#',
    (entry) => {
      const storage = withEntry(entry);
      const { genuine } = runSync(checkQcow2({ ...checkContext(storage), asQemu: true }));
      expect(genuine?.lines.map(({ text }) => text)).toContain(UNALIGNED);
      const { findings } = runSync(checkQcow2(checkContext(storage)));
      expect(findings[0]!.message).toMatch(/^The refcount block 0 .* where no cluster begins$/);
    },
  );
});
