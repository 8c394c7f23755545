/** The state of a virtual machine, kept behind the disk. */
import type { DiskVmState } from '@diskfile/core';
import { expect, it } from 'vitest';
import { contentOf } from '../support/content.ts';
import { verifyImage } from '../support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const COVERAGE = (512 / 8) * 512;

function stateOf(disk: { capabilities: { vmState: DiskVmState | undefined } }): DiskVmState {
  return disk.capabilities.vmState!;
}

it('is kept beside the disk, however far out and in whatever order it is written', async () => {
  const files = createImage(new ImageFiles(), 100_000, { cluster_size: 512 });
  const model = new Map<number, Uint8Array>();
  const disk = openWritable(files);
  const content = contentOf(3, 100_000);
  disk.writeSync(content, 0);
  for (const [index, offset] of [
    COVERAGE * 5 + 7,
    0,
    300,
    COVERAGE - 100,
    COVERAGE * 40,
  ].entries()) {
    const bytes = contentOf(index, 1000);
    model.set(offset, bytes);
    stateOf(disk).writeSync(bytes, offset);
  }
  disk.writeSync(content.subarray(0, 5000), 50_000);
  disk.closeSync();
  const again = openWritable(files);
  const expected = new Uint8Array(COVERAGE * 41);
  for (const [offset, bytes] of model) expected.set(bytes, offset);
  const found = new Uint8Array(COVERAGE * 41);
  await stateOf(again).read(found, 0);
  expect(Buffer.from(found).equals(expected)).toBe(true);
  content.set(content.slice(0, 5000), 50_000);
  const read = new Uint8Array(100_000);
  again.readSync(read, 0);
  expect(Buffer.from(read).equals(content)).toBe(true);
  again.closeSync();
  expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
});

it('is part of a snapshot', () => {
  const files = createImage(new ImageFiles(), 100_000, { cluster_size: 512 });
  const disk = openWritable(files);
  const [before, after] = [contentOf(1, 2000), contentOf(2, 700)];
  stateOf(disk).writeSync(before, 100);
  disk.capabilities.snapshots!.createSync('kept');
  stateOf(disk).writeSync(after, 300);
  disk.capabilities.snapshots!.applySync('kept');
  const found = new Uint8Array(2000);
  stateOf(disk).readSync(found, 100);
  expect(found).toEqual(before);
  disk.closeSync();
  expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
});

it('is behind the disk that a resize before it makes', async () => {
  const disk = openWritable(createImage(new ImageFiles(), COVERAGE, { cluster_size: 512 }));
  const { resizing } = disk.capabilities;
  const state = contentOf(4, 3000);
  const found = new Uint8Array(3000);
  const later = contentOf(5, 3000);
  await Promise.all([resizing!.resize(COVERAGE * 4), stateOf(disk).write(state, 0)]);
  const content = new Uint8Array(COVERAGE * 4);
  await disk.read(content, 0);
  expect(content.every((byte) => byte === 0)).toBe(true);
  await stateOf(disk).read(found, 0);
  expect(found).toEqual(state);
  const shrinking = resizing!.resize(COVERAGE, { shrink: true });
  await Promise.all([shrinking, stateOf(disk).write(later, 0), disk.write(later, 0)]);
  await stateOf(disk).read(found, 0);
  expect(found).toEqual(later);
  await disk.close();
});

it('is refused where no table reaches', () => {
  const disk = openWritable(createImage(new ImageFiles(), 100_000, { cluster_size: 512 }));
  const write = (offset: number) => () => stateOf(disk).writeSync(new Uint8Array(1), offset);
  expect(write(2 ** 50)).toThrow(/may have/);
  expect(write(Number.MAX_SAFE_INTEGER)).toThrow(/No image has state/);
  disk.closeSync();
});
