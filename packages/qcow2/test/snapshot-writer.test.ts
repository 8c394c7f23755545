import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { randomFrom } from './support/crash-storage.ts';
import { contentOf } from './support/content.ts';
import { readAll } from './support/open-image.ts';
import { randomKind, SnapshotModel } from './support/snapshot-model.ts';
import { verifyImage } from './support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from './support/writable-image.ts';

const BASE = contentOf(5, 40_000);
const CLEAN = { errors: [], leaks: [] };

const COMBINATIONS: [name: string, options: CreateOptions, sizeBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 200_000],
  ['4-bit refcounts', { cluster_size: 512, refcount_bits: 4 }, 100_000],
  ['8-bit refcounts', { cluster_size: 4096, refcount_bits: 8 }, 300_000],
  ['32-bit refcounts', { cluster_size: 512, refcount_bits: 32 }, 100_000],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 200_000],
  ['4096-byte clusters', { cluster_size: 4096 }, 600_000],
  ['64-KiB clusters', {}, 1_500_000],
  ['version 2', { cluster_size: 512, compat: '0.10' }, 100_000],
  ['version 2 over backing', { cluster_size: 4096, compat: '0.10', ...backing() }, 200_000],
  ['over backing', { cluster_size: 1024, ...backing() }, 100_000],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 100_000],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 600_000],
  ['extended L2 over backing', { cluster_size: 16_384, extended_l2: true, ...backing() }, 300_000],
  ['preallocated', { cluster_size: 512, preallocation: 'metadata' }, 60_000],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

function newImage(sizeBytes: number, options: CreateOptions): ImageFiles {
  const files = createImage(new ImageFiles(), sizeBytes, options);
  files.others.set('base', new MemoryStorage(BASE, 'base'));
  return files;
}

describe('snapshots made here', () => {
  it.each(COMBINATIONS)('hold what the disk held: %s', (_, options, sizeBytes) => {
    for (let seed = 0; seed < Number(process.env['SNAPSHOT_RUNS'] ?? 4); seed++) {
      const files = newImage(sizeBytes, options);
      const random = randomFrom(seed);
      const limits = { metadataCacheBytes: 32_768 };
      let disk = openWritable(files, { limits });
      const model = new SnapshotModel(readAll(disk));
      for (let step = 0; step < 60; step++) {
        const kind = model.kept.length > 5 ? 'delete' : randomKind(random);
        model.work(disk, kind, random);
        if (random() < 0.1) {
          disk.closeSync();
          disk = openWritable(files, { limits });
        }
        const isSnapshotWork = kind === 'create' || kind === 'apply' || kind === 'delete';
        if (!isSnapshotWork) continue;
        expect(model.difference(files, disk)).toBeUndefined();
        expect(verifyImage(files.imageBytes).errors).toEqual([]);
      }
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
      expect(model.difference(files, openWritable(files))).toBeUndefined();
    }
  });
});
