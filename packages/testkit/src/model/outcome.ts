import { DiskError } from '@diskfile/bytes';
import type { DiskModel } from './disk-model.ts';
import type { DiskTrial } from './disk-trial.ts';
import type { Operation } from './operation.ts';

/**
 * Does to the model what has been done to the disk; where that may have been a part only, what the
 * disk reads tells which.
 * @returns contents of the model between the parts of the operation, and after it
 */
export function adoptOutcome(
  model: DiskModel,
  operation: Operation,
  trial: DiskTrial,
): readonly Uint8Array[] {
  const before = model.content.slice();
  const states = statesOf(model, operation);
  if (operation.isPartial === true) {
    trial.adopt(model, [before, ...states]);
    states.push(model.content.slice());
  }
  return states;
}

/** Applies an operation. @returns contents after each of its parts */
export function statesOf(model: DiskModel, operation: Operation): Uint8Array[] {
  const states: Uint8Array[] = [];
  for (const part of operation.parts ?? [operation]) {
    part.apply(model);
    states.push(model.content.slice());
  }
  return states;
}

/** False when the disk refuses, and may. */
export function isDone(operation: Operation, trial: DiskTrial, model: DiskModel): boolean {
  try {
    operation.perform(trial, model);
    return true;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (operation.mayBeRefused?.(model) !== true) throw error;
    return false;
  }
}
