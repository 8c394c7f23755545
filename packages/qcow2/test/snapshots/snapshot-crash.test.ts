import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import { readAll } from '../support/open-image.ts';
import { randomKind, SnapshotModel, type WorkKind } from '../support/snapshot-model.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const BASE = contentOf(5, 9000);
/** Seeds that each combination is tried with. */
const RUNS = Number(process.env['CRASH_RUNS'] ?? 1);
const CLEAN = { errors: [], leaks: [] };
const LIMITS = { metadataCacheBytes: 16_384 };
const SNAPSHOT_WORK: readonly WorkKind[] = ['create', 'apply', 'delete'];

const COMBINATIONS: [name: string, options: CreateOptions, sizeBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 70_000],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 40_000],
  ['8-bit refcounts', { cluster_size: 512, refcount_bits: 8 }, 40_000],
  ['version 2', { cluster_size: 512, compat: '0.10' }, 40_000],
  ['over backing', { cluster_size: 1024, backing_file: 'base', backing_fmt: 'raw' }, 40_000],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 40_000],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 100_000],
];

function withBase(image: MemoryStorage): ImageFiles {
  const files = new ImageFiles(image);
  files.others.set('base', new MemoryStorage(BASE));
  return files;
}

/** An image with random work on it, and storage that loses power or fails. */
class Run {
  readonly storage = new CrashStorage(new Uint8Array(0), 'image');
  readonly files = withBase(this.storage);
  readonly random: () => number;
  readonly model: SnapshotModel;
  disk: DiskFile;
  states = 0;

  constructor(options: CreateOptions, sizeBytes: number, seed: number) {
    this.random = randomFrom(seed);
    createImage(this.files, sizeBytes, options);
    this.disk = openWritable(this.files, { limits: LIMITS });
    this.model = new SnapshotModel(readAll(this.disk));
  }

  /** Work between operations on snapshots, all of it flushed. */
  prepare(): void {
    if (this.random() < 0.5) {
      this.model.active.set(contentOf(Math.floor(this.random() * 1000), this.model.active.length));
      this.disk.writeSync(this.model.active, 0);
    }
    for (let step = 0; step < 4; step++) {
      const kind = randomKind(this.random);
      if (!SNAPSHOT_WORK.includes(kind)) this.model.work(this.disk, kind, this.random);
    }
    this.disk.flushSync();
  }

  nextOperation(): WorkKind {
    const { kept } = this.model;
    if (kept.length === 0) return 'create';
    if (kept.length > 3) return 'delete';
    return SNAPSHOT_WORK[Math.floor(this.random() * 3)]!;
  }

  /** Loses power here, in several ways; what is left has to be one of these. */
  crash(possible: readonly SnapshotModel[]): void {
    for (const share of [0, 0.5, 0.9, 1, this.random(), this.random()]) {
      this.states += 1;
      const image = this.storage.crashed(() => this.random() < share);
      checkLeft(image, possible);
    }
  }
}

function checkLeft(image: Uint8Array, possible: readonly SnapshotModel[]): void {
  const files = withBase(new MemoryStorage(image, 'crashed'));
  const disk = openWritable(files, { limits: LIMITS });
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
  const differences = possible.map((model) => model.difference(files, disk));
  expect(differences).toContain(undefined);
  const model = possible[differences.indexOf(undefined)]!.copy();
  model.work(disk, 'create', () => 0.3);
  model.work(disk, 'write', () => 0.2);
  model.work(disk, 'delete', () => 0);
  disk.closeSync();
  expect(verifyImage(files.imageBytes).errors).toEqual([]);
  expect(model.difference(files, openWritable(files))).toBeUndefined();
}

/** What the image is after an operation, as the operation itself tells on a copy of it. */
function modelAfter(run: Run, kind: WorkKind, random: () => number): SnapshotModel {
  const files = withBase(new MemoryStorage(run.files.imageBytes, 'copy'));
  const model = run.model.copy();
  model.work(openWritable(files), kind, random);
  return model;
}

describe('a loss of power', () => {
  it.each(COMBINATIONS)('leaves the image of before or of after: %s', (_, options, sizeBytes) => {
    let states = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const run = new Run(options, sizeBytes, seed);
      for (let round = 0; round < 4; round++) {
        run.prepare();
        const kind = run.nextOperation();
        const choice = Math.floor(run.random() * 1e6);
        const after = modelAfter(run, kind, randomFrom(choice));
        const possible = [run.model.copy(), after];
        run.storage.onOperation = () => run.crash(possible);
        run.model.work(run.disk, kind, randomFrom(choice));
        run.storage.onOperation = () => {};
        run.crash([run.model]);
      }
      states += run.states;
    }
    expect(states).toBeGreaterThan(100);
  });
});

describe('a host that fails', () => {
  it.each(COMBINATIONS)('leaves a disk that works on: %s', (_, options, sizeBytes) => {
    let refused = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const run = new Run(options, sizeBytes, seed);
      for (let round = 0; round < 4; round++) {
        run.prepare();
        const kind = run.nextOperation();
        refused += failEverywhere(run, kind);
        run.model.work(run.disk, kind, run.random);
      }
    }
    expect(refused).toBeGreaterThan(30);
  });
});

/** Lets each host operation of an operation fail, on copies of the image. */
function failEverywhere(run: Run, kind: WorkKind): number {
  const choice = Math.floor(run.random() * 1e6);
  const after = modelAfter(run, kind, randomFrom(choice));
  for (let failAt = 0; ; failAt++) {
    const failing = new FailingRun(run, failAt);
    if (!failing.attempt(kind, randomFrom(choice), after)) return failAt;
    failing.workOn();
  }
}

class FailingRun {
  readonly #storage: CrashStorage;
  readonly #files: ImageFiles;
  readonly #random: () => number;
  readonly #disk: DiskFile;
  #model: SnapshotModel;
  /** What may be found after a loss of power. */
  #possible: SnapshotModel[];

  constructor({ files, model, random }: Run, failAt: number) {
    this.#storage = new CrashStorage(files.imageBytes, 'image');
    this.#storage.flushSync();
    this.#files = withBase(this.#storage);
    this.#random = random;
    this.#model = model.copy();
    this.#possible = [model.copy()];
    this.#disk = openWritable(this.#files, { limits: LIMITS });
    this.#storage.failAt = this.#storage.operations + failAt;
    this.#storage.failures = 1 + Math.floor(random() * 4);
  }

  /** Returns false when nothing failed any more. */
  attempt(kind: WorkKind, random: () => number, after: SnapshotModel): boolean {
    try {
      this.#model.work(this.#disk, kind, random);
      return false;
    } catch (error) {
      expect((error as DiskError).detail).toBe('test.fault');
    }
    // When only the last flush failed, the operation has taken place.
    if (this.#model.diskDifference(this.#disk) !== undefined) {
      expect(after.diskDifference(this.#disk)).toBeUndefined();
      this.#model = after.copy();
    }
    this.#possible.push(after);
    return true;
  }

  /** Writes on while the header may be in doubt, loses power, flushes, and goes on. */
  workOn(): void {
    const before = this.#model.active.slice();
    const sectors = Math.floor(before.length / 512);
    const first = Math.floor(this.#random() * sectors);
    for (let count = 0; count < 4; count++) {
      this.#overwrite(((first + count * 29) % sectors) * 512);
      if (count % 3 === 0) this.#checkCrashes(before);
    }
    this.#storage.failAt = undefined;
    this.#disk.flushSync();
    this.#possible = [this.#model.copy()];
    this.#checkCrashes(this.#model.active);
    for (let step = 0; step < 6; step++) {
      this.#model.work(this.#disk, randomKind(this.#random), this.#random);
    }
    expect(this.#model.difference(this.#files, this.#disk)).toBeUndefined();
    this.#disk.closeSync();
    expect(verifyImage(this.#files.imageBytes)).toEqual(CLEAN);
    expect(this.#model.difference(this.#files, openWritable(this.#files))).toBeUndefined();
  }

  #overwrite(at: number): void {
    const bytes = contentOf(Math.floor(this.#random() * 1000), 512);
    try {
      this.#disk.writeSync(bytes, at);
      this.#model.active.set(bytes, at);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#disk.readSync(this.#model.active.subarray(at, at + 512), at);
    }
  }

  /** Snapshots are exact; bytes of the active state are those of before or those written since. */
  #checkCrashes(before: Uint8Array): void {
    for (const share of [0, 1, this.#random()]) {
      const image = this.#storage.crashed(() => this.#random() < share);
      const files = withBase(new MemoryStorage(image, 'crashed'));
      const disk = openWritable(files, { limits: LIMITS });
      expect(verifyImage(files.imageBytes).errors).toEqual([]);
      const found = readAll(disk);
      const differences = this.#possible.map((possible) => {
        const states = [before, this.#model.active, possible.active];
        const wrong = found.findIndex((byte, at) => states.every((state) => state[at] !== byte));
        if (wrong !== -1) return `the active state differs at ${wrong}`;
        return new SnapshotModel(found, possible.kept).difference(files, disk);
      });
      expect(differences).toContain(undefined);
    }
  }
}
