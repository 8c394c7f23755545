/** Making a failure easier to read: without the mutations that it does not need. */
import type { FuzzInput } from './fuzz-input.ts';
import { bytesOf } from './fuzz-input.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { runInput } from './run-input.ts';

/** Leaves out mutations one at a time as long as the input goes on failing by a throw. */
export async function minimise(target: FuzzTarget, input: FuzzInput): Promise<FuzzInput> {
  let smallest = input;
  for (let index = input.mutations.length - 1; index >= 0; index--) {
    const candidate = {
      ...smallest,
      mutations: smallest.mutations.filter((_, at) => at !== index),
    };
    const { failure } = await runInput(target, bytesOf(candidate), candidate.choices);
    if (failure?.kind === 'thrown') smallest = candidate;
  }
  return smallest;
}
