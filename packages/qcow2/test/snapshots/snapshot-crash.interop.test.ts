import { describe, expect, it } from 'vitest';
import type { DiskSnapshots } from '@diskfile/core';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const SIZE_BYTES = 200_192;

/** An image with two snapshots, each of which shares something with what is active. */
function prepared(storage: CrashStorage): ImageFiles {
  const files = createImage(new ImageFiles(storage), SIZE_BYTES, { cluster_size: 4096 });
  const disk = openWritable(files);
  for (const [seed, place] of [0, 80_000, 120_000].entries()) {
    disk.writeSync(contentOf(seed, 60_000), place);
    if (seed < 2) disk.capabilities.snapshots!.createSync(`after ${seed}`);
  }
  disk.closeSync();
  return files;
}

describe('what a loss of power leaves, qemu-img repairs', () => {
  it.each<[string, (snapshots: DiskSnapshots) => void]>([
    ['a snapshot is made', (snapshots) => snapshots.createSync('new')],
    ['a snapshot is applied', (snapshots) => snapshots.applySync('after 0')],
    ['a snapshot is deleted', (snapshots) => snapshots.deleteSync('after 1')],
  ])('%s', (_, work) => {
    using directory = new WorkDirectory();
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const disk = openWritable(prepared(storage));
    const before = readAll(disk);
    const random = randomFrom(2);
    const left: Uint8Array[] = [];
    storage.onOperation = () => {
      const share = random();
      left.push(storage.crashed(() => random() < share));
    };
    work(disk.capabilities.snapshots!);
    storage.onOperation = () => {};
    const after = readAll(disk);
    expect(left.length).toBeGreaterThan(8);
    for (const image of left) {
      directory.write('image', image);
      directory.run('qemu-img', 'check', '-q', '-r', 'all', 'image');
      directory.check('image');
      const found = directory.contentOf('image');
      const differences = [before, after].map((content) => firstDifference(found, content));
      expect(differences).toContain(-1);
      for (const line of directory.run('qemu-img', 'snapshot', '-l', 'image').split('\n')) {
        const id = /^(\d+)\s/.exec(line)?.[1];
        if (id === undefined) continue;
        directory.run('qemu-img', 'convert', '-l', id, '-O', 'raw', 'image', 'snapshot.raw');
        if (Number(id) > 2) continue;
        const kept = directory.read('snapshot.raw');
        expect(firstDifference(kept.subarray(0, 60_000), contentOf(0, 60_000))).toBe(-1);
      }
    }
  });
});
