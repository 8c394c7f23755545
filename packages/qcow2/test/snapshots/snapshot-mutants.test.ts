import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** No image here may grow beyond what an honest one could take. */
const MAX_BYTES = 8 * 1024 * 1024;
const LIMITS = { maxStructureBytes: 1024 * 1024 };

class BoundedStorage extends MemoryStorage {
  override truncateSync(sizeBytes: number): void {
    if (sizeBytes > MAX_BYTES) throw new DiskError('no-space', 'test.full', 'the host is full');
    super.truncateSync(sizeBytes);
  }
}

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['version 2', { cluster_size: 512, compat: '0.10' }],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
];

/** Returns what was refused; anything but a DiskError is a failure of ours. */
function refusal(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof DiskError) return error.detail;
    throw error;
  }
}

/** Bytes that lead from one structure to another, where damage does most. */
function interestingBytes(image: Uint8Array, clusterBytes: number): number[] {
  const view = new DataView(image.buffer);
  const table = Number(view.getBigUint64(64));
  const places = [
    [0, 104],
    [table, 200],
    [Number(view.getBigUint64(40)), 64],
  ];
  const firstL1 = Number(view.getBigUint64(table));
  places.push([firstL1, 64], [Number(view.getBigUint64(48)), 16]);
  const l2 = Number(view.getBigUint64(firstL1) & 0xff_ffff_ffff_fe00n);
  places.push([l2, Math.min(clusterBytes, 256)]);
  return places.flatMap(([start, length]) =>
    Array.from({ length: length! }, (_, at) => start! + at),
  );
}

function workOn(disk: DiskFile, random: () => number): void {
  const snapshots = disk.capabilities.snapshots!;
  for (let step = 0; step < 6; step++) {
    const list = snapshots.list();
    const chosen = list[Math.floor(random() * list.length)]?.id ?? 'none';
    const kind = random();
    refusal(() => {
      if (kind < 0.3) snapshots.createSync(`new ${step}`);
      else if (kind < 0.55) snapshots.applySync(chosen);
      else if (kind < 0.8) snapshots.deleteSync(chosen);
      else disk.writeSync(contentOf(step, 3000), Math.floor(random() * 50_000));
    });
  }
}

describe('snapshots of a damaged image', () => {
  it.each(COMBINATIONS)('are refused or changed, and it ends: %s', (_, options) => {
    const files = createImage(new ImageFiles(), 100_352, options);
    const random = randomFrom(11);
    const original = openWritable(files);
    for (let step = 0; step < 3; step++) {
      original.writeSync(contentOf(step, 40_000), step * 20_000);
      original.capabilities.snapshots!.createSync(`state ${step}`);
    }
    original.closeSync();
    const targets = interestingBytes(files.imageBytes, Number(options['cluster_size']));
    let opened = 0;
    for (let mutant = 0; mutant < Number(process.env['MUTANT_RUNS'] ?? 150); mutant++) {
      const image = files.imageBytes;
      for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
        const at = targets[Math.floor(random() * targets.length)]!;
        if (random() < 0.5) image[at] = image[at]! ^ (1 << Math.floor(random() * 8));
        else image[at] = Math.floor(random() * 256);
      }
      const damaged = new ImageFiles(new BoundedStorage(image, 'damaged'));
      refusal(() => {
        const disk = openWritable(damaged, { limits: LIMITS });
        opened += 1;
        workOn(disk, random);
        disk.closeSync();
      });
    }
    expect(opened).toBeGreaterThan(10);
  });
});
