import type { BatchOperation } from '@diskfile/core';
import fc from 'fast-check';
import type { DiskModel, GuestWindow } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { noise } from '../noise.ts';
import type { Operation } from '../operation.ts';
import { describePlace, type Place, places, windowOf } from '../place.ts';

export interface WriteChoice {
  readonly place: Place;
  readonly seed: number;
  readonly handle: number;
}

export class Write implements Operation {
  readonly kind = 'write';
  readonly #choice: WriteChoice;

  constructor(choice: WriteChoice) {
    this.#choice = choice;
  }

  #bytes(model: DiskModel): Uint8Array {
    return noise(this.#choice.seed, this.window(model).lengthBytes);
  }

  window(model: DiskModel): GuestWindow {
    return windowOf(this.#choice.place, model);
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const disk = trial.handle(this.#choice.handle);
    disk.writeSync(this.#bytes(model), this.window(model).guestOffset);
  }

  apply(model: DiskModel): void {
    model.write(this.window(model).guestOffset, this.#bytes(model));
  }

  asBatch(model: DiskModel): BatchOperation {
    const { guestOffset } = this.window(model);
    return { op: 'write', guestOffset, buffer: this.#bytes(model) };
  }

  toString(): string {
    return `write(${describePlace(this.#choice.place)}, seed ${this.#choice.seed})`;
  }
}

export const writes: fc.Arbitrary<Operation> = fc
  .record({ place: places, seed: fc.nat(400), handle: fc.nat(2) })
  .map((choice) => new Write(choice));
