import { describe, expect, it } from 'vitest';
import type { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { BitmapModel, type BitmapWork, perform } from '../support/bitmap-model.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { dirtyRangesOf } from '../support/dirty-ranges.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['4 KiB clusters', { cluster_size: 4096 }],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
];
const SIZE = 100_352;
const RUNS = Number(process.env['CRASH_RUNS'] ?? 1);
/** Share of the host calls before which power is lost. */
const SHARE = RUNS > 1 ? 1 : 0.4;

/**
 * Whether bitmaps in the file can be those of a model: right, or marked as in use. While the image
 * is open they have to be marked.
 */
function matches(disk: DiskFile, model: BitmapModel, open: boolean): boolean {
  const found = disk.capabilities.bitmaps!.list();
  if (disk.sizeBytes !== model.sizeBytes || found.length !== model.bitmaps.length) return false;
  return found.every((info, at) => {
    const { name, enabled } = model.bitmaps[at]!;
    if (info.name !== name || info.flags.includes('auto') !== enabled) return false;
    if (info.flags.includes('in-use')) return true;
    if (open) return false;
    return JSON.stringify(dirtyRangesOf(disk, name)) === JSON.stringify(model.rangesOf(name));
  });
}

/** An image that was left by a crash: it has to be one of these, and to work on. */
function checkLeft(image: Uint8Array, possible: readonly BitmapModel[], open: boolean): void {
  const files = new ImageFiles(new MemoryStorage(image, 'crashed'));
  const left = openWritable(files, { writable: false });
  expect(possible.some((model) => matches(left, model, open))).toBe(true);
  const before = left.capabilities.bitmaps!.list();
  const model = possible.find((each) => matches(left, each, open))!;
  const disk = openWritable(files);
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
  const work = { kind: 'write', offset: 1000, length: 3000 } as const;
  const fits = model.sizeBytes >= 4000;
  if (fits) perform(disk, work);
  disk.closeSync();
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
  const again = openWritable(files, { writable: false });
  expect(again.capabilities.bitmaps!.list()).toEqual(before);
  expect(matches(again, fits ? model.after(work) : model, false)).toBe(true);
}

/** Random work on a disk whose host loses power now and then. */
class Run {
  readonly storage = new CrashStorage(new Uint8Array(0), 'image');
  readonly files: ImageFiles;
  readonly random: () => number;
  model = new BitmapModel(SIZE);
  states = 0;

  constructor(options: CreateOptions, seed: number) {
    this.random = randomFrom(seed);
    this.files = createImage(new ImageFiles(this.storage), SIZE, options);
    this.storage.flushSync();
  }

  /** Loses power in several ways before each host call of the body, and after the last. */
  watch(possible: readonly BitmapModel[], open: boolean, body: () => void): void {
    const crash = (models: readonly BitmapModel[]) => {
      for (const share of [0, 1, this.random(), this.random()]) {
        this.states += 1;
        checkLeft(
          this.storage.crashed(() => this.random() < share),
          models,
          open,
        );
      }
    };
    this.storage.onOperation = () => {
      if (this.random() < SHARE) crash(possible);
    };
    body();
    this.storage.onOperation = () => {};
    crash([possible.at(-1)!]);
  }

  open(): DiskFile {
    let disk: DiskFile | undefined;
    this.watch([this.model], false, () => (disk = openWritable(this.files)));
    return disk!;
  }

  step(disk: DiskFile, work = this.model.randomWork(this.random)): void {
    const after = this.model.after(work);
    this.watch([this.model, after], true, () => perform(disk, work));
    this.model = after;
  }
}

describe('a loss of power', () => {
  it.each(COMBINATIONS)('leaves bitmaps that are right or marked: %s', (_, options) => {
    let states = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const run = new Run(options, seed);
      for (let round = 0; round < 3; round++) {
        const disk = run.open();
        for (let step = 0; step < 5; step++) run.step(disk);
        run.watch([run.model], false, () => disk.closeSync());
      }
      states += run.states;
    }
    expect(states).toBeGreaterThan(100);
  });

  it.each(COMBINATIONS)('leaves bitmaps that go with the size of the disk: %s', (_, options) => {
    const run = new Run(options, 1);
    const disk = run.open();
    const create = { kind: 'create', granularityBytes: 512 } as const;
    const works: BitmapWork[] = [
      { ...create, name: 'on', enabled: true },
      { ...create, name: 'off', enabled: true },
      { kind: 'write', offset: 5000, length: 30_000 },
      { kind: 'disable', name: 'off' },
      { kind: 'resize', sizeBytes: 5 * 1024 * 1024 },
      { kind: 'write', offset: 4_000_000, length: 1000 },
      { kind: 'merge', name: 'off', sources: ['on'] },
      { kind: 'resize', sizeBytes: 3 * 1024 * 1024 },
      { kind: 'resize', sizeBytes: 20_480 },
      { kind: 'resize', sizeBytes: 4 * 1024 * 1024 },
    ];
    for (const work of works) run.step(disk, work);
    run.watch([run.model], false, () => disk.closeSync());
    expect(run.model.rangesOf('off')).toEqual([{ guestOffset: 4608, lengthBytes: 15_872 }]);
    expect(run.states).toBeGreaterThan(100);
  });
});

/** An image with bitmaps and the model of it, not open. */
function prepared(options: CreateOptions, seed: number): Run {
  const run = new Run(options, seed);
  const disk = openWritable(run.files);
  for (let step = 0; step < 12; step++) {
    const work = run.model.randomWork(run.random);
    perform(disk, work);
    run.model = run.model.after(work);
  }
  disk.closeSync();
  return run;
}

/** One attempt on a copy of the image, on a host that fails from its `failAt`th call on. */
class Attempt {
  readonly storage: CrashStorage;
  readonly files: ImageFiles;
  readonly #random: () => number;

  constructor(run: Run) {
    this.storage = new CrashStorage(run.files.imageBytes, 'image');
    this.storage.flushSync();
    this.files = new ImageFiles(this.storage);
    this.#random = run.random;
  }

  /** Returns whether the body failed. */
  fails(failAt: number, body: () => void): boolean {
    this.storage.failAt = this.storage.operations + failAt;
    this.storage.failures = 1 + Math.floor(this.#random() * 4);
    try {
      body();
      return false;
    } catch (error) {
      expect((error as DiskError).detail).toBe('test.fault');
      return true;
    } finally {
      this.storage.failAt = undefined;
    }
  }

  crash(possible: readonly BitmapModel[], open: boolean): void {
    for (const share of [0, 1, this.#random()]) {
      checkLeft(
        this.storage.crashed(() => this.#random() < share),
        possible,
        open,
      );
    }
  }
}

/** Lets each host call of a change fail. @returns how often it did */
function failEverywhere(run: Run, work: BitmapWork): number {
  const after = run.model.after(work);
  for (let failAt = 0; ; failAt++) {
    const attempt = new Attempt(run);
    const disk = openWritable(attempt.files);
    if (!attempt.fails(failAt, () => perform(disk, work))) return failAt;
    attempt.crash([run.model, after], true);
    // When the last flush alone failed, the change has been made; a write may have been recorded.
    const found = JSON.stringify(BitmapModel.found(disk));
    const now = [run.model, after].find(
      (each) => each.sizeBytes === disk.sizeBytes && JSON.stringify(each.expected()) === found,
    );
    expect(now).toBeDefined();
    const more = { kind: 'write', offset: 0, length: 512 } as const;
    perform(disk, more);
    disk.closeSync();
    expect(verifyImage(attempt.storage.bytes.slice())).toEqual({ errors: [], leaks: [] });
    checkLeft(attempt.storage.bytes.slice(), [now!.after(more)], false);
  }
}

describe('a host that fails', () => {
  it.each(COMBINATIONS)('leaves bitmaps as they were, or changed: %s', (_, options) => {
    let failures = 0;
    for (let seed = 0; seed < RUNS * 4; seed++) {
      const run = prepared(options, seed);
      for (let round = 0; round < 4; round++) {
        failures += failEverywhere(run, run.model.randomWork(run.random));
      }
    }
    expect(failures).toBeGreaterThan(30);
  });

  it.each(COMBINATIONS)('while the image is opened or closed: %s', (_, options) => {
    let failures = 0;
    for (let seed = 0; seed < RUNS * 4; seed++) {
      const run = prepared(options, seed);
      const mark = { kind: 'write', offset: 512, length: 512 } as const;
      for (let failAt = 0, failed = true; failed; failAt++) {
        const opening = new Attempt(run);
        failed = opening.fails(failAt, () => openWritable(opening.files));
        opening.crash([run.model], false);
        const closing = new Attempt(run);
        const disk = openWritable(closing.files);
        perform(disk, mark);
        if (closing.fails(failAt, () => disk.closeSync())) failed = true;
        closing.crash([run.model.after(mark)], false);
        if (failed) failures += 1;
      }
    }
    expect(failures).toBeGreaterThan(10);
  });
});
