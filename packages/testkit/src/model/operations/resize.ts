import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { SECTOR_BYTES } from '../mismatch.ts';
import type { Operation } from '../operation.ts';

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

  /** As a part, or a multiple, of what it had when it was new. */
  static byShare(sixteenths: number): Resize {
    return new Resize(
      ({ traits }) =>
        Math.ceil((traits.startBytes * sixteenths) / 16 / SECTOR_BYTES) * SECTOR_BYTES,
      `${sixteenths}/16`,
    );
  }

  isPossible({ traits }: DiskModel): boolean {
    return traits.canResize;
  }

  /** Some formats cannot resize what has snapshots; and an empty disk has no bitmaps. */
  mayBeRefused(model: DiskModel): boolean {
    const emptied = this.#sizeOf(model) === 0 && model.bitmaps.length > 0;
    const shrinks = model.traits.growsOnly && this.#sizeOf(model) < model.sizeBytes;
    return emptied || shrinks || model.snapshots.length > 0;
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

/** Mostly neither tiny nor so large that it takes long to compare. */
export const resizes: fc.Arbitrary<Operation> = fc
  .oneof(
    { weight: 9, arbitrary: fc.integer({ min: 9, max: 26 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 8 }) },
  )
  .map((sixteenths) => Resize.byShare(sixteenths));
