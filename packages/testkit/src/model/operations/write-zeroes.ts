import type { BatchOperation } from '@diskfile/core';
import fc from 'fast-check';
import type { DiskModel, GuestWindow } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';
import { describePlace, type Place, places, windowOf } from '../place.ts';

export class WriteZeroes implements Operation {
  readonly kind = 'writeZeroes';
  readonly #place: Place;
  readonly #mayUnmap: boolean;

  constructor(place: Place, mayUnmap: boolean) {
    this.#place = place;
    this.#mayUnmap = mayUnmap;
  }

  window(model: DiskModel): GuestWindow {
    return windowOf(this.#place, model);
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const { guestOffset, lengthBytes } = this.window(model);
    trial.disk.writeZeroesSync(guestOffset, lengthBytes, { mayUnmap: this.#mayUnmap });
  }

  apply(model: DiskModel): void {
    model.zero(this.window(model));
  }

  asBatch(model: DiskModel): BatchOperation {
    return { op: 'writeZeroes', ...this.window(model), mayUnmap: this.#mayUnmap };
  }

  toString(): string {
    const how = this.#mayUnmap ? 'unmap' : 'keep';
    return `writeZeroes(${describePlace(this.#place)}, ${how})`;
  }
}

export const zeroWrites: fc.Arbitrary<Operation> = fc
  .tuple(places, fc.boolean())
  .map(([place, mayUnmap]) => new WriteZeroes(place, mayUnmap));
