/** Options of the image are changed; what the disk holds stays the same. */
import type { FormatOptions } from '@diskfile/core';
import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

export class Amend implements Operation {
  readonly kind = 'amend';
  readonly isDurable = true;
  readonly changesMuch = true;
  readonly #options: FormatOptions;

  constructor(options: FormatOptions) {
    this.#options = options;
  }

  isPossible({ traits }: DiskModel): boolean {
    return traits.canAmend;
  }

  /** Much of what an image may hold does not go with one option or another. */
  mayBeRefused(): boolean {
    return true;
  }

  perform(trial: DiskTrial): void {
    trial.disk.capabilities.amending!.amendSync(this.#options);
  }

  apply(model: DiskModel): void {
    const { compat, refcount_bits: bits } = this.#options;
    if (compat !== undefined) model.mayCreateBitmaps = compat !== '0.10';
    if (bits !== undefined) model.maxSnapshots = Number(bits) < 8 ? 0 : 2 ** Number(bits) - 2;
  }

  toString(): string {
    return `amend(${JSON.stringify(this.#options)})`;
  }
}

const CHANGES: readonly FormatOptions[] = [
  { compat: '0.10' },
  { compat: '1.1' },
  { compat: '1.1' },
  { lazy_refcounts: true },
  { lazy_refcounts: false },
  { refcount_bits: 1 },
  { refcount_bits: 8 },
  { refcount_bits: 16 },
  { refcount_bits: 64 },
];

export const amendments: fc.Arbitrary<Operation> = fc
  .constantFrom(...CHANGES)
  .map((options) => new Amend(options));
