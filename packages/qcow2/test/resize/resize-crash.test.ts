import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage, type Preallocation } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** Longer than any disk here: what of it is not hidden shows. */
const BASE = contentOf(5, 400_000);

interface Change {
  readonly sizeBytes: number;
  readonly preallocation: Preallocation;
}

const COMBINATIONS: [name: string, options: CreateOptions, unitBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 512],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 512],
  ['version 2', { cluster_size: 1024, compat: '0.10' }, 512],
  ['version 2 over backing', { ...backing(), cluster_size: 1024, compat: '0.10' }, 512],
  ['over backing', { ...backing(), cluster_size: 1024 }, 512],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 512],
  ['extended L2 over backing', { ...backing(), cluster_size: 16_384, extended_l2: true }, 2048],
  ['data file', { cluster_size: 1024, data_file: 'data' }, 512],
  ['raw data file', { cluster_size: 1024, data_file: 'data', data_file_raw: true }, 512],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

/** Sizes around those of clusters and of what one L2 table maps, up and down. */
function changesOf(unitBytes: number): Change[] {
  return [
    { sizeBytes: 61 * unitBytes, preallocation: 'off' },
    { sizeBytes: 130 * unitBytes, preallocation: 'off' },
    { sizeBytes: 151 * unitBytes, preallocation: 'metadata' },
    { sizeBytes: 33 * unitBytes, preallocation: 'off' },
    { sizeBytes: 181 * unitBytes, preallocation: 'falloc' },
    { sizeBytes: 20 * unitBytes, preallocation: 'off' },
    { sizeBytes: 200 * unitBytes, preallocation: 'full' },
    { sizeBytes: 0, preallocation: 'off' },
    { sizeBytes: 90 * unitBytes, preallocation: 'off' },
  ];
}

/** The files of an image on hosts that can fail or lose power. */
class Host {
  readonly image = new CrashStorage(new Uint8Array(0), 'image');
  readonly data = new CrashStorage(new Uint8Array(0), 'data');
  readonly files = new ImageFiles(this.image);
  readonly #hasData: boolean;

  constructor(options: CreateOptions, sizeBytes: number) {
    this.#hasData = options['data_file'] !== undefined;
    createImage(this.files, sizeBytes, options);
    this.#takeData();
    this.files.others.set('base', new MemoryStorage(BASE));
  }

  /** What was created as the data file is on a host like that of the image from now on. */
  #takeData(): void {
    const created = this.files.others.get('data');
    if (created === undefined) return;
    const bytes = new Uint8Array(created.sizeBytes);
    created.readSync(bytes, 0);
    this.data.writeSync(bytes, 0);
    this.data.flushSync();
    this.files.others.set('data', this.data);
  }

  get storages(): CrashStorage[] {
    return this.#hasData ? [this.image, this.data] : [this.image];
  }

  open(): DiskFile {
    return openWritable(this.files, { limits: { metadataCacheBytes: 32_768 } });
  }

  /** The files as a loss of power may leave them. */
  crashed(chance: () => boolean): ImageFiles {
    const files = new ImageFiles(new MemoryStorage(this.image.crashed(chance), 'crashed'));
    files.others.set('base', new MemoryStorage(BASE));
    files.others.set('data', new MemoryStorage(this.data.crashed(chance), 'data'));
    return files;
  }
}

function resized(content: Uint8Array, sizeBytes: number): Uint8Array {
  const after = new Uint8Array(sizeBytes);
  after.set(content.subarray(0, sizeBytes));
  return after;
}

function resize(disk: DiskFile, { sizeBytes, preallocation }: Change): void {
  disk.capabilities.resizing!.resizeSync(sizeBytes, { preallocation, shrink: true });
}

/** Writes here and there, and at the end of the disk. */
function scribble(disk: DiskFile, model: Uint8Array, random: () => number): void {
  for (let step = 0; step < 6; step++) {
    const offset = Math.floor(random() * model.length);
    const wanted = step === 0 ? model.length : 1 + Math.floor(random() * 9000);
    const range = model.subarray(offset, Math.min(offset + wanted, model.length));
    range.set(contentOf(Math.floor(random() * 99), range.length));
    disk.writeSync(range, offset);
  }
}

/** Looks at files that were left behind; `possible` has what the disk may hold. */
function checkLeft(files: ImageFiles, possible: readonly Uint8Array[]): void {
  const disk = openWritable(files);
  const found = readAll(disk);
  const model = possible.find((content) => content.length === found.length);
  expect(model, `a disk of ${found.length} bytes`).toBeDefined();
  expect(firstDifference(found, model!)).toBe(-1);
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
  // What lies behind the end stays there.
  const sizeBytes = found.length + 70_144;
  disk.capabilities.resizing!.resizeSync(sizeBytes);
  expect(firstDifference(readAll(disk), resized(found, sizeBytes))).toBe(-1);
  disk.closeSync();
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
}

describe('a loss of power while the disk is resized', () => {
  it.each(COMBINATIONS)('%s', (_, options, unitBytes) => {
    let states = 0;
    for (let seed = 0; seed < Number(process.env['CRASH_RUNS'] ?? 1); seed++) {
      const random = randomFrom(seed);
      const host = new Host(options, 60 * unitBytes);
      const disk = host.open();
      let model = readAll(disk);
      for (const change of changesOf(unitBytes)) {
        scribble(disk, model, random);
        disk.flushSync();
        const after = resized(model, change.sizeBytes);
        const crash = () => {
          for (const share of [0, 0.5, 0.9, 1, random()]) {
            states += 1;
            checkLeft(
              host.crashed(() => random() < share),
              [model, after],
            );
          }
        };
        for (const storage of host.storages) {
          storage.onOperation = () => {
            if (random() < 0.4) crash();
          };
        }
        resize(disk, change);
        for (const storage of host.storages) storage.onOperation = () => {};
        model = after;
        checkLeft(
          host.crashed(() => random() < 0.5),
          [model],
        );
      }
      disk.closeSync();
      expect(verifyImage(host.files.imageBytes)).toEqual({ errors: [], leaks: [] });
    }
    expect(states).toBeGreaterThan(50);
  });
});

describe('a host that fails while the disk is resized', () => {
  it.each(COMBINATIONS)('%s', (_, options, unitBytes) => {
    const sizes = { kept: 0, changed: 0 };
    for (const change of changesOf(unitBytes)) {
      const storages = options['data_file'] === undefined ? [0] : [0, 1];
      for (const which of storages) {
        for (let failAt = 0; ; failAt++) {
          const outcome = resizeWithFault(options, unitBytes, change, which, failAt);
          if (outcome === 'none') break;
          sizes[outcome] += 1;
        }
      }
    }
    expect(sizes.kept).toBeGreaterThan(50);
    // Only giving back what the disk no longer has, and the flush at the very end, come later.
    expect(sizes.changed).toBeLessThan(sizes.kept);
  });
});

/** One operation of the host fails; after that everything goes on as if nothing had been. */
function resizeWithFault(
  options: CreateOptions,
  unitBytes: number,
  change: Change,
  which: number,
  failAt: number,
): 'kept' | 'changed' | 'none' {
  const host = new Host(options, 77 * unitBytes);
  const disk = host.open();
  let model = readAll(disk);
  const random = randomFrom(failAt);
  scribble(disk, model, random);
  if (random() < 0.5) disk.flushSync();
  const storage = host.storages[which]!;
  storage.countsReads = true;
  storage.failAt = storage.operations + failAt;
  let failed = false;
  try {
    resize(disk, change);
  } catch (error) {
    expect((error as DiskError).detail).toBe('test.fault');
    failed = true;
  }
  const met = storage.operations > storage.failAt;
  storage.countsReads = false;
  storage.failAt = undefined;
  expect([model.length, change.sizeBytes]).toContain(disk.sizeBytes);
  if (!failed) expect(disk.sizeBytes).toBe(change.sizeBytes);
  const isKept = disk.sizeBytes === model.length;
  model = resized(model, disk.sizeBytes);
  expect(firstDifference(readAll(disk), model)).toBe(-1);
  if (model.length > 0) scribble(disk, model, random);
  resize(disk, change);
  model = resized(model, change.sizeBytes);
  expect(firstDifference(readAll(disk), model)).toBe(-1);
  disk.closeSync();
  expect(verifyImage(host.files.imageBytes)).toEqual({ errors: [], leaks: [] });
  const again = openWritable(host.files, { writable: false });
  expect(firstDifference(readAll(again), model)).toBe(-1);
  if (!met) return 'none';
  return isKept ? 'kept' : 'changed';
}
