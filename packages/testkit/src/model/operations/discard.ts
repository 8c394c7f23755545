import type { BatchOperation } from '@diskfile/core';
import type fc from 'fast-check';
import type { DiskModel, GuestWindow } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';
import { describePlace, type Place, places, windowOf } from '../place.ts';

/** What is discarded reads as zeros or as it was. */
export class Discard implements Operation {
  readonly kind = 'discard';
  readonly isPartial = true;
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  window(model: DiskModel): GuestWindow {
    return windowOf(this.#place, model);
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const { guestOffset, lengthBytes } = this.window(model);
    trial.disk.discardSync(guestOffset, lengthBytes);
  }

  apply(model: DiskModel): void {
    model.zero(this.window(model));
  }

  asBatch(model: DiskModel): BatchOperation {
    return { op: 'discard', ...this.window(model) };
  }

  toString(): string {
    return `discard(${describePlace(this.#place)})`;
  }
}

export const discards: fc.Arbitrary<Operation> = places.map((place) => new Discard(place));
