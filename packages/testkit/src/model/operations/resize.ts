import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { SECTOR_BYTES } from '../mismatch.ts';
import type { Operation } from '../operation.ts';

/** How far a disk may grow or shrink, as a factor. */
const MAX_GROWTH = 1.5;
/** Disks keep within this, so that they do not get slow to compare. */
const MAX_SHARE_OF_START = 2;

/** Makes the disk larger or smaller; what is added reads as zeros. */
export class Resize implements Operation {
  readonly kind = 'resize';
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #sizeOf: (model: DiskModel) => number;
  readonly #text: string;

  private constructor(sizeOf: (model: DiskModel) => number, text: string) {
    this.#sizeOf = sizeOf;
    this.#text = text;
  }

  static to(sectors: number): Resize {
    return new Resize(() => sectors * SECTOR_BYTES, `${sectors} sectors`);
  }

  static by(factor: number): Resize {
    return new Resize(({ sizeBytes, traits }) => {
      const wanted = Math.min(sizeBytes * factor + 1, traits.startBytes * MAX_SHARE_OF_START);
      return Math.ceil(wanted / SECTOR_BYTES) * SECTOR_BYTES;
    }, `times ${factor}`);
  }

  isPossible({ traits }: DiskModel): boolean {
    return traits.canResize;
  }

  /** Some formats cannot resize what has snapshots. */
  mayBeRefused({ snapshots }: DiskModel): boolean {
    return snapshots.length > 0;
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    trial.disk.capabilities.resizing!.resizeSync(this.#sizeOf(model), { shrink: true });
  }

  apply(model: DiskModel): void {
    model.resize(this.#sizeOf(model));
  }

  toString(): string {
    return `resize(${this.#text})`;
  }
}

export const resizes: fc.Arbitrary<Operation> = fc
  .integer({ min: 0, max: MAX_GROWTH * 16 })
  .map((sixteenths) => Resize.by(sixteenths / 16));
