import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { randomKind, SnapshotModel, type WorkKind } from '../support/snapshot-model.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const BASE = contentOf(5, 40_000);
/** What needs a snapshot that is there. */
const ENDING: ReadonlySet<WorkKind> = new Set<WorkKind>(['apply', 'delete']);
const CLEAN = { errors: [], leaks: [] };

const COMBINATIONS: [name: string, options: CreateOptions, sizeBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 200_000],
  ['8-bit refcounts and small clusters', { cluster_size: 512, refcount_bits: 8 }, 100_000],
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
        const snapshots = model.kept.length;
        model.work(disk, kind, random);
        if (random() < 0.1) {
          disk.closeSync();
          disk = openWritable(files, { limits });
        }
        // Right after them the file has all.
        const isWritten = kind === 'create' || (snapshots > 0 && ENDING.has(kind));
        if (!isWritten) continue;
        expect(model.difference(files, disk)).toBeUndefined();
        expect(verifyImage(files.imageBytes).errors).toEqual([]);
      }
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
      expect(model.difference(files, openWritable(files))).toBeUndefined();
    }
  });
});

/** Reads wait until they are let go. */
class HeldStorage extends MemoryStorage {
  #held: (() => void)[] | undefined;

  hold(): void {
    this.#held = [];
  }

  letGo(): void {
    for (const go of this.#held ?? []) go();
    this.#held = undefined;
  }

  /** How many reads wait. */
  get waiting(): number {
    return this.#held?.length ?? 0;
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    const held = this.#held;
    if (held !== undefined && dst.length > 10_000) {
      await new Promise<void>((resolve) => held.push(resolve));
    }
    this.readSync(dst, offset);
  }
}

const HALF_BYTES = 100_352;

describe('a read that is under way', () => {
  it.each(['apply', 'delete'] as const)('gets what the disk held before: %s', async (kind) => {
    const storage = new HeldStorage(new Uint8Array(0), 'image');
    const files = createImage(new ImageFiles(storage), 2 * HALF_BYTES, { cluster_size: 512 });
    const disk = openWritable(files);
    const snapshots = disk.capabilities.snapshots!;
    await disk.write(contentOf(1, HALF_BYTES), 0);
    await snapshots.create('a');
    // Free space in front of the clusters that are read, so that a search passes by them.
    await disk.write(contentOf(9, HALF_BYTES), HALF_BYTES);
    const kept = contentOf(2, HALF_BYTES);
    await disk.write(kept, 0);
    await disk.discard(HALF_BYTES, HALF_BYTES);
    await snapshots.create('b');
    storage.hold();
    const found = new Uint8Array(HALF_BYTES);
    const reading = disk.read(found, 0);
    while (storage.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    if (kind === 'delete') await snapshots.delete('b');
    await snapshots.apply('a');
    if (kind === 'apply') await snapshots.delete('b');
    const written = contentOf(5, HALF_BYTES);
    for (const offset of [0, HALF_BYTES]) {
      await disk.write(written, offset);
      await disk.flush();
    }
    storage.letGo();
    await reading;
    expect(firstDifference(found, kept)).toBe(-1);
    expect(firstDifference(readAll(disk).subarray(HALF_BYTES), written)).toBe(-1);
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual(CLEAN);
  });
});
