import type { BatchOperation } from '@diskfile/core';
import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { expectEqual } from '../mismatch.ts';
import type { Operation } from '../operation.ts';
import { describePlace, type Place, places, windowOf } from '../place.ts';

export class Read implements Operation {
  readonly kind = 'read';
  readonly #place: Place;
  readonly #handle: number;

  constructor(place: Place, handle: number) {
    this.#place = place;
    this.#handle = handle;
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const window = windowOf(this.#place, model);
    const found = trial.read(window, this.#handle);
    expectEqual(found, model.window(window), 'what is read', window.guestOffset);
  }

  apply(): void {}

  asBatch(model: DiskModel): BatchOperation {
    const { guestOffset, lengthBytes } = windowOf(this.#place, model);
    return { op: 'read', guestOffset, buffer: new Uint8Array(lengthBytes).fill(0xee) };
  }

  toString(): string {
    return `read(${describePlace(this.#place)})`;
  }
}

export const reads: fc.Arbitrary<Operation> = fc
  .tuple(places, fc.nat(2))
  .map(([place, handle]) => new Read(place, handle));
