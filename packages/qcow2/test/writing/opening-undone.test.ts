import type { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { expect, it } from 'vitest';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const MIB = 1024 * 1024;

it('leaves bitmaps as they were when the image below cannot be opened for a writer', () => {
  const files = new ImageFiles();
  createImage(files, MIB, { backing_file: 'base', backing_fmt: 'raw' });
  const base = new MemoryStorage(new Uint8Array(MIB), 'base');
  files.others.set('base', base);
  const disk = openWritable(files);
  disk.capabilities.bitmaps!.createSync('changes');
  disk.writeSync(new Uint8Array(512), 0);
  disk.closeSync();
  const before = files.imageBytes;

  files.others.delete('base');
  const refusal = expect.objectContaining<Partial<DiskError>>({ detail: 'test.gate' });
  expect(() => openWritable(files)).toThrowError(refusal as Error);
  expect(Buffer.compare(files.imageBytes, before)).toBe(0);

  files.others.set('base', base);
  const again = openWritable(files);
  expect([...again.capabilities.bitmaps!.dirtyRangesSync('changes')]).toEqual([
    { guestOffset: 0, lengthBytes: 64 * 1024 },
  ]);
  again.closeSync();
});
