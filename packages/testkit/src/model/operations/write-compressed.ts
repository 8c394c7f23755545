import fc from 'fast-check';
import type { DiskModel, GuestWindow } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { noise } from '../noise.ts';
import type { Operation } from '../operation.ts';
import { type Place, windowOf } from '../place.ts';

const MAX_CLUSTERS = 6;

/** Writes whole clusters, compressed where that makes them smaller. */
export class WriteCompressed implements Operation {
  readonly kind = 'write compressed';
  readonly #place: Place;
  readonly #seed: number;

  constructor(start: number, length: number, seed: number) {
    this.#place = { unit: 'cluster', start, length };
    this.#seed = seed;
  }

  isPossible({ traits, sizeBytes }: DiskModel): boolean {
    return traits.canCompress && sizeBytes > 0;
  }

  window(model: DiskModel): GuestWindow {
    return windowOf(this.#place, model);
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const { guestOffset, lengthBytes } = this.window(model);
    const { compression } = trial.disk.capabilities;
    compression!.writeSync(noise(this.#seed, lengthBytes), guestOffset, { level: 1 });
  }

  apply(model: DiskModel): void {
    const { guestOffset, lengthBytes } = this.window(model);
    model.write(guestOffset, noise(this.#seed, lengthBytes));
  }

  toString(): string {
    const { start, length } = this.#place;
    return `write compressed(${length} clusters from ${start}, seed ${this.#seed})`;
  }
}

export const compressedWrites: fc.Arbitrary<Operation> = fc
  .tuple(fc.nat(2 ** 24), fc.integer({ min: 1, max: MAX_CLUSTERS }), fc.nat(400))
  .map(([start, length, seed]) => new WriteCompressed(start, length, seed));
