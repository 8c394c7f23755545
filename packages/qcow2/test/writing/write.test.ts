import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage, type DiskFile } from '@diskfile/core';
import { contentOf, mixedContentOf } from '../support/content.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** Option combinations, each with the size of the disk. */
const COMBINATIONS: [name: string, options: CreateOptions, sizeBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 150_000],
  ['zstd', { cluster_size: 1024, compression_type: 'zstd' }, 200_192],
  ['version 2', { cluster_size: 512, compat: '0.10' }, 70_144],
  ['version 2 over backing', { ...backing(), cluster_size: 512, compat: '0.10' }, 70_144],
  ['over backing', { ...backing(), cluster_size: 1024 }, 200_000],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }, 100_000],
  ['2-bit refcounts', { cluster_size: 1024, refcount_bits: 2 }, 100_000],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 100_000],
  ['4-bit refcounts', { cluster_size: 512, refcount_bits: 4, lazy_refcounts: true }, 100_000],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 100_000],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 300_000],
  ['extended L2 over backing', { ...backing(), cluster_size: 16_384, extended_l2: true }, 300_000],
  ['preallocated', { cluster_size: 512, preallocation: 'metadata' }, 100_000],
  [
    'preallocated extended L2',
    { cluster_size: 16_384, extended_l2: true, preallocation: 'metadata' },
    300_000,
  ],
  ['data file', { cluster_size: 512, data_file: 'data' }, 100_000],
  ['data file over backing', { ...backing(), cluster_size: 512, data_file: 'data' }, 100_000],
  ['raw data file', { cluster_size: 512, data_file: 'data', data_file_raw: true }, 100_000],
  [
    'data file with extended L2',
    { cluster_size: 16_384, data_file: 'data', extended_l2: true },
    300_000,
  ],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

interface Place {
  /** Where in the disk, in thousandths. */
  readonly at: number;
  readonly length: number;
  readonly aligned: boolean;
}

type Change =
  | ({ readonly op: 'write' | 'compress'; readonly fill: number } & Place)
  | ({ readonly op: 'zero'; readonly unmap: boolean } & Place)
  | ({ readonly op: 'discard' } & Place);
type Operation = Change | { readonly op: 'flush' } | { readonly op: 'reopen' };

const place = {
  at: fc.nat(1000),
  length: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 60_000 })),
  aligned: fc.boolean(),
};

const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('write'), fill: fc.nat(99), ...place }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('compress'), fill: fc.nat(99), ...place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('zero'), unmap: fc.boolean(), ...place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('discard'), ...place }) },
  { weight: 2, arbitrary: fc.constantFrom({ op: 'flush' }, { op: 'reopen' }) },
) as fc.Arbitrary<Operation>;

/** A disk and what it has to hold. */
class Subject {
  readonly files = new ImageFiles();
  readonly model: Uint8Array;
  readonly #clusterBytes: number;
  #disk: DiskFile;

  constructor(options: CreateOptions, sizeBytes: number) {
    this.#clusterBytes = Number(options['cluster_size']);
    createImage(this.files, sizeBytes, options);
    const base = contentOf(7, 50_000);
    if (options['backing_file'] !== undefined)
      this.files.others.set('base', new MemoryStorage(base));
    this.#disk = this.#open();
    this.model = new Uint8Array(this.#disk.sizeBytes);
    if (options['backing_file'] !== undefined) this.model.set(base);
  }

  #open(): DiskFile {
    // Little room for tables, so that they are written out early as well.
    return openWritable(this.files, { limits: { metadataCacheBytes: 16_384 } });
  }

  run(operation: Operation): void {
    if (operation.op === 'flush') this.#disk.flushSync();
    else if (operation.op === 'reopen') {
      this.#disk.closeSync();
      this.check();
      this.#disk = this.#open();
    } else this.#change(operation);
  }

  #change(operation: Change): void {
    const { sizeBytes } = this.#disk;
    let offset = Math.floor((operation.at / 1001) * sizeBytes);
    let length = operation.length;
    if (operation.aligned || operation.op === 'compress') {
      offset -= offset % this.#clusterBytes;
      length += this.#clusterBytes - (length % this.#clusterBytes);
    }
    length = Math.min(length, sizeBytes - offset);
    const range = this.model.subarray(offset, offset + length);
    if (operation.op === 'write') {
      range.set(contentOf(operation.fill, length));
      this.#disk.writeSync(range, offset);
    } else if (operation.op === 'compress') {
      range.set(mixedContentOf(operation.fill, length));
      // There is none with an external data file.
      const { compression } = this.#disk.capabilities;
      (compression ?? this.#disk).writeSync(range, offset);
    } else if (operation.op === 'zero') {
      range.fill(0);
      this.#disk.writeZeroesSync(offset, length, { mayUnmap: operation.unmap });
    } else {
      this.#disk.discardSync(offset, length);
      // What is discarded may read as anything from then on, but always as the same.
      const before = range.slice();
      this.#disk.readSync(range, offset);
      expect(range.findIndex((byte, at) => byte !== 0 && byte !== before[at])).toBe(-1);
    }
    expect(firstDifference(readAll(this.#disk), this.model)).toBe(-1);
  }

  check(): void {
    const { errors, leaks } = verifyImage(this.files.imageBytes);
    expect(errors).toEqual([]);
    expect(leaks).toEqual([]);
    const disk = openWritable(this.files, { writable: false });
    expect(firstDifference(readAll(disk), this.model)).toBe(-1);
    expect(disk.warnings).toEqual([]);
  }

  finish(): void {
    this.run({ op: 'reopen' });
    this.#disk.closeSync();
    this.check();
  }
}

describe('writing against a model', () => {
  it.each(COMBINATIONS)('%s', (_, options, sizeBytes) => {
    fc.assert(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 30 }), (operations) => {
        const subject = new Subject(options, sizeBytes);
        for (const next of operations) subject.run(next);
        subject.finish();
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 60) },
    );
  });
});
