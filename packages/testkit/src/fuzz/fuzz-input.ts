/** The inputs of a run: a function of target, seed number and index alone. */
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';
import { applyMutations, type Mutation } from './mutation.ts';
import { mutationsOf } from './mutation-arbitrary.ts';
import type { SeedImage } from './seed-image.ts';

export interface FuzzInput {
  readonly seedImage: SeedImage;
  readonly mutations: readonly Mutation[];
  readonly choices: readonly number[];
}

const CHOICES = 12;
const TWO_32 = 2 ** 32;

/** Makes the inputs of one target; building the arbitraries is what takes time, so they are kept. */
export class FuzzInputs {
  readonly #perSeed: { readonly seedImage: SeedImage; readonly arbitrary: fc.Arbitrary<Sample> }[];
  readonly #seed: number;

  constructor(target: FuzzTarget, seed: number) {
    this.#seed = seed;
    this.#perSeed = target.seeds().map((seedImage) => ({
      seedImage,
      arbitrary: fc.record({ mutations: mutationsOf(seedImage), choices: choicesArbitrary }),
    }));
  }

  /** Number of seeds; as many inputs in a row begin with different ones. */
  get seedCount(): number {
    return this.#perSeed.length;
  }

  at(index: number): FuzzInput {
    const { seedImage, arbitrary } = this.#perSeed[index % this.#perSeed.length]!;
    const [sample] = fc.sample(arbitrary, { seed: mix(this.#seed, index), numRuns: 1 });
    return { seedImage, ...sample! };
  }
}

interface Sample {
  readonly mutations: Mutation[];
  readonly choices: number[];
}

const fraction = fc.nat(TWO_32 - 1).map((value) => value / TWO_32);
const choicesArbitrary = fc.array(fraction, { minLength: CHOICES, maxLength: CHOICES });

export function bytesOf({ seedImage, mutations }: FuzzInput): Uint8Array {
  return applyMutations(seedImage, mutations);
}

/** A 32-bit number for fast-check from the run's seed and an index. */
function mix(seed: number, index: number): number {
  let hash = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(index + 1, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return hash ^ (hash >>> 13);
}
