import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage, type DiskFile, type Preallocation } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

/** Longer than most disks get, so that it would show in what is added. */
const BASE = contentOf(7, 180_000);

/** Option combinations, each with the largest size of the disk. */
const COMBINATIONS: [name: string, options: CreateOptions, maxBytes: number][] = [
  ['512-byte clusters', { cluster_size: 512 }, 250_000],
  ['version 2', { cluster_size: 512, compat: '0.10' }, 150_000],
  ['version 2 over backing', { ...backing(), cluster_size: 512, compat: '0.10' }, 250_000],
  ['over backing', { ...backing(), cluster_size: 1024 }, 300_000],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }, 150_000],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }, 150_000],
  ['lazy refcounts', { cluster_size: 512, lazy_refcounts: true }, 150_000],
  [
    'lazy refcounts over backing',
    { ...backing(), cluster_size: 512, lazy_refcounts: true },
    250_000,
  ],
  ['64 KiB clusters', {}, 900_000],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 500_000],
  ['extended L2 over backing', { ...backing(), cluster_size: 16_384, extended_l2: true }, 400_000],
  ['data file', { cluster_size: 512, data_file: 'data' }, 150_000],
  ['data file over backing', { ...backing(), cluster_size: 512, data_file: 'data' }, 250_000],
  ['raw data file', { cluster_size: 512, data_file: 'data', data_file_raw: true }, 150_000],
  [
    'data file with extended L2',
    { cluster_size: 16_384, data_file: 'data', extended_l2: true },
    400_000,
  ],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

interface Place {
  /** Where in the disk, in thousandths. */
  readonly at: number;
  readonly length: number;
}

type Operation =
  | ({ readonly op: 'write'; readonly fill: number } & Place)
  | ({ readonly op: 'zero'; readonly unmap: boolean } & Place)
  | ({ readonly op: 'discard' } & Place)
  | {
      readonly op: 'resize';
      /** In thousandths of the largest size. */
      readonly size: number;
      readonly preallocation: Preallocation;
      readonly aligned: boolean;
    }
  | { readonly op: 'flush' }
  | { readonly op: 'reopen' };

const place = {
  at: fc.nat(1000),
  length: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 60_000 })),
};

const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('write'), fill: fc.nat(99), ...place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('zero'), unmap: fc.boolean(), ...place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('discard'), ...place }) },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('resize'),
      size: fc.nat(1000),
      preallocation: fc.constantFrom('off', 'off', 'metadata', 'falloc', 'full'),
      aligned: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom({ op: 'flush' }, { op: 'reopen' }) },
) as fc.Arbitrary<Operation>;

/** A disk and what it has to hold. */
class Subject {
  readonly files = new ImageFiles();
  model: Uint8Array;
  readonly #maxBytes: number;
  #disk: DiskFile;

  constructor(options: CreateOptions, maxBytes: number) {
    this.#maxBytes = maxBytes;
    createImage(this.files, maxBytes / 2, options);
    if (options['backing_file'] !== undefined) {
      this.files.others.set('base', new MemoryStorage(BASE));
    }
    this.#disk = this.#open();
    this.model = readAll(this.#disk);
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
    } else if (operation.op === 'resize') this.#resize(operation);
    else this.#change(operation);
    expect(firstDifference(readAll(this.#disk), this.model)).toBe(-1);
  }

  #resize({ size, preallocation, aligned }: Operation & { op: 'resize' }): void {
    const unit = aligned ? this.#disk.topology.clusterBytes : 512;
    const sizeBytes = Math.floor((size / 1000) * (this.#maxBytes / unit)) * unit;
    const smaller = sizeBytes < this.model.length;
    this.#disk.capabilities.resizing!.resizeSync(sizeBytes, {
      shrink: true,
      preallocation: smaller ? 'off' : preallocation,
    });
    expect(this.#disk.sizeBytes).toBe(sizeBytes);
    const model = new Uint8Array(sizeBytes);
    model.set(this.model.subarray(0, sizeBytes));
    this.model = model;
  }

  #change(operation: Place & Operation & { op: 'write' | 'zero' | 'discard' }): void {
    const { sizeBytes } = this.#disk;
    const offset = Math.floor((operation.at / 1001) * sizeBytes);
    const length = Math.min(operation.length, sizeBytes - offset);
    const range = this.model.subarray(offset, offset + length);
    if (operation.op === 'write') {
      range.set(contentOf(operation.fill, length));
      this.#disk.writeSync(range, offset);
    } else if (operation.op === 'zero') {
      range.fill(0);
      this.#disk.writeZeroesSync(offset, length, { mayUnmap: operation.unmap });
    } else {
      this.#disk.discardSync(offset, length);
      this.#disk.readSync(range, offset);
    }
  }

  check(): void {
    expect(verifyImage(this.files.imageBytes)).toEqual({ errors: [], leaks: [] });
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

describe('resizing against a model', () => {
  it.each(COMBINATIONS)('%s', (_, options, maxBytes) => {
    fc.assert(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 25 }), (operations) => {
        const subject = new Subject(options, maxBytes);
        for (const next of operations) subject.run(next);
        subject.finish();
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 25) },
    );
  });
});
