import { describe, expect, it } from 'vitest';
import { alignDown, alignUp, type DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { CrashStorage, randomFrom } from './support/crash-storage.ts';
import { contentOf, mixedContentOf } from './support/content.ts';
import { firstDifference, readAll } from './support/open-image.ts';
import { verifyImage } from './support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from './support/writable-image.ts';

const BASE = contentOf(5, 40_000);

/** With what share of the writes is compressed. */
const COMBINATIONS: [
  name: string,
  options: CreateOptions,
  sizeBytes: number,
  compressedShare?: number,
][] = [
  ['512-byte clusters', { cluster_size: 512 }, 200_000],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 200_000],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }, 100_000],
  ['version 2', { cluster_size: 512, compat: '0.10' }, 100_000],
  ['over backing', { cluster_size: 1024, backing_file: 'base', backing_fmt: 'raw' }, 100_000],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 100_000],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 400_000],
  ['preallocated', { cluster_size: 512, preallocation: 'metadata' }, 60_000],
  ['compressed', { cluster_size: 4096 }, 200_192, 0.6],
  ['compressed, 512-byte clusters', { cluster_size: 512 }, 60_416, 0.6],
  ['compressed, 2-bit refcounts', { cluster_size: 2048, refcount_bits: 2 }, 100_352, 0.6],
  ['compressed, lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }, 200_192, 0.6],
  ['compressed, extended L2', { cluster_size: 16_384, extended_l2: true }, 400_384, 0.6],
  [
    'compressed over backing',
    { cluster_size: 2048, backing_file: 'base', backing_fmt: 'raw' },
    100_352,
    0.6,
  ],
];

/** Values that each byte of the disk may have after a crash: the flushed one and those since. */
class Possible {
  readonly current: Uint8Array;
  #flushed: Uint8Array;
  /** Contents of the disk after each change since the last flush. */
  #since: Uint8Array[] = [];

  constructor(content: Uint8Array) {
    this.current = content.slice();
    this.#flushed = content.slice();
  }

  changed(): void {
    this.#since.push(this.current.slice());
  }

  flushed(): void {
    this.#flushed = this.current.slice();
    this.#since = [];
  }

  /** First byte that has a value which it never had since the last flush; -1 for none. */
  firstImpossible(found: Uint8Array, during: Uint8Array | undefined): number {
    return found.findIndex(
      (byte, at) =>
        byte !== this.#flushed[at] &&
        byte !== during?.[at] &&
        !this.#since.some((content) => content[at] === byte),
    );
  }
}

class CrashRun {
  readonly storage = new CrashStorage(new Uint8Array(0), 'image');
  readonly random: () => number;
  readonly possible: Possible;
  disk: DiskFile;
  states = 0;
  #during: Uint8Array | undefined;
  readonly #files: ImageFiles;

  readonly #compressedShare: number;

  constructor(options: CreateOptions, sizeBytes: number, seed: number, compressedShare = 0) {
    this.random = randomFrom(seed);
    this.#compressedShare = compressedShare;
    this.#files = createImage(new ImageFiles(this.storage), sizeBytes, options);
    this.#files.others.set('base', new MemoryStorage(BASE));
    this.disk = this.open(this.#files);
    this.possible = new Possible(readAll(this.disk));
  }

  open(files: ImageFiles): DiskFile {
    return openWritable(files, { limits: { metadataCacheBytes: 32_768 } });
  }

  /** One random change, and now and then a flush or a clean close. */
  step(): void {
    const { disk, random, possible } = this;
    const kind = random();
    if (kind < 0.12) {
      disk.flushSync();
      possible.flushed();
      return;
    }
    if (kind < 0.16) {
      disk.closeSync();
      possible.flushed();
      this.disk = this.open(this.#files);
      return;
    }
    const compressed = kind < 0.7 && random() < this.#compressedShare;
    const unit = compressed ? disk.topology.clusterBytes : 1;
    const offset = alignDown(Math.floor(random() * disk.sizeBytes), unit);
    const wanted = alignUp(1 + Math.floor(random() * (random() < 0.5 ? 2000 : 40_000)), unit);
    const length = Math.min(wanted, disk.sizeBytes - offset);
    const range = possible.current.subarray(offset, offset + length);
    const before = possible.current.slice();
    if (compressed) range.set(mixedContentOf(Math.floor(random() * 99), length));
    else if (kind < 0.7) range.set(contentOf(Math.floor(random() * 99), length));
    else range.fill(0);
    this.#during = possible.current.slice();
    try {
      if (compressed) disk.capabilities.compression!.writeSync(range.slice(), offset);
      else if (kind < 0.7) disk.writeSync(range.slice(), offset);
      else if (kind < 0.85) disk.writeZeroesSync(offset, length, { mayUnmap: random() < 0.5 });
      else {
        disk.discardSync(offset, length);
        disk.readSync(range, offset);
      }
    } catch (error) {
      // What was being written may be there or not.
      possible.changed();
      possible.current.set(before);
      disk.readSync(range, offset);
      throw error;
    } finally {
      this.#during = undefined;
      possible.changed();
    }
  }

  /** Loses power here, in several ways, and looks at what is left. */
  crash(): void {
    for (const share of [0, 0.5, 0.9, 1, this.random()]) {
      this.#checkState(this.storage.crashed(() => this.random() < share));
    }
  }

  #checkState(image: Uint8Array): void {
    this.states += 1;
    const files = new ImageFiles(new MemoryStorage(image, 'crashed'));
    files.others.set('base', new MemoryStorage(BASE));
    const disk = this.open(files);
    const found = readAll(disk);
    expect(this.possible.firstImpossible(found, this.#during)).toBe(-1);
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
    disk.writeSync(contentOf(3, 3000), 0);
    disk.closeSync();
    found.set(contentOf(3, 3000));
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
    const again = openWritable(files, { writable: false });
    expect(firstDifference(readAll(again), found)).toBe(-1);
  }
}

describe('a loss of power', () => {
  it.each(COMBINATIONS)('%s', (_, options, sizeBytes, compressedShare) => {
    let states = 0;
    for (let seed = 0; seed < Number(process.env['CRASH_RUNS'] ?? 4); seed++) {
      const run = new CrashRun(options, sizeBytes, seed, compressedShare);
      run.storage.onOperation = () => {
        if (run.random() < 0.25) run.crash();
      };
      for (let step = 0; step < 25; step++) run.step();
      run.crash();
      states += run.states;
    }
    expect(states).toBeGreaterThan(50);
  });
});

describe('a host that fails', () => {
  it.each(COMBINATIONS)('%s', (_, options, sizeBytes, compressedShare) => {
    let refused = 0;
    for (let seed = 0; seed < Number(process.env['FAULT_RUNS'] ?? 40); seed++) {
      const run = new CrashRun(options, sizeBytes, seed, compressedShare);
      const first = run.storage.operations + Math.floor(run.random() * 60);
      run.storage.failAt = first;
      run.storage.failures = 1 + Math.floor(run.random() * 5);
      let closed = false;
      for (let step = 0; step < 20 && !closed; step++) {
        try {
          run.step();
        } catch (error) {
          expect((error as DiskError).detail).toBe('test.fault');
          refused += 1;
          closed = isClosed(run.disk);
          if (closed || run.random() < 0.2) run.crash();
        }
      }
      if (closed) continue;
      run.storage.failAt = undefined;
      run.disk.flushSync();
      run.possible.flushed();
      expect(firstDifference(readAll(run.disk), run.possible.current)).toBe(-1);
      run.disk.closeSync();
      expect(verifyImage(run.storage.bytes.slice())).toEqual({ errors: [], leaks: [] });
      run.crash();
    }
    expect(refused).toBeGreaterThan(10);
  });
});

/** Whether a close that failed has ended the disk; what was not flushed by then may be lost. */
function isClosed(disk: DiskFile): boolean {
  try {
    disk.tryClone().closeSync();
    return false;
  } catch (error) {
    return (error as DiskError).detail === 'disk.closed';
  }
}
