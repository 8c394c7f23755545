/**
 * Random sequences of operations on one subject, compared with the model after each. fast-check
 * makes the sequences and shrinks those that fail.
 */
import fc from 'fast-check';
import type { Subject } from '../subject/subject.ts';
import type { DiskModel } from './disk-model.ts';
import { DiskTrial } from './disk-trial.ts';
import type { Operation } from './operation.ts';
import { operations } from './operations/index.ts';
import { adoptOutcome, isDone } from './outcome.ts';
import { expectSound } from './sound.ts';

/** Longest sequence; those that fast-check makes have half as many operations on average. */
const MAX_OPERATIONS = 80;

export interface ModelRunOptions {
  /** At least so many operations. */
  readonly operations: number;
  readonly seed: number;
  /** What to do to the disk; by default all that there is. */
  readonly kinds?: fc.Arbitrary<Operation>;
}

/** How many operations of each kind have been done. */
export class OperationCounts {
  readonly done = new Map<string, number>();
  refused = 0;

  add(kind: string): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  get total(): number {
    let total = 0;
    for (const count of this.done.values()) total += count;
    return total;
  }

  toString(): string {
    const kinds = [...this.done].map(([kind, count]) => `${count} ${kind}`);
    return `${this.total} operations (${kinds.join(', ')}; ${this.refused} refused)`;
  }
}

/** @throws Error with the shortest sequence that fails, and the seed that leads to it */
export function runModel(
  subject: Subject,
  { operations: wanted, seed, kinds = operations }: ModelRunOptions,
  counts: OperationCounts = new OperationCounts(),
): OperationCounts {
  const end = counts.total + wanted;
  for (let round = 0; counts.total < end; round++) {
    const commands = fc.commands([kinds.map((operation) => new ModelCommand(operation, counts))], {
      maxCommands: MAX_OPERATIONS,
      size: 'max',
    });
    const property = fc.property(commands, (sequence) => {
      const trial = new DiskTrial(subject);
      const model = trial.modelNow();
      fc.modelRun(() => ({ model, real: trial }), sequence);
      expectSound(trial, model);
    });
    fc.assert(property, { numRuns: 10, seed: seed + round, verbose: false });
  }
  return counts;
}

class ModelCommand implements fc.Command<DiskModel, DiskTrial> {
  readonly #operation: Operation;
  readonly #counts: OperationCounts;

  constructor(operation: Operation, counts: OperationCounts) {
    this.#operation = operation;
    this.#counts = counts;
  }

  check(model: Readonly<DiskModel>): boolean {
    return this.#operation.isPossible?.(model as DiskModel) ?? true;
  }

  run(model: DiskModel, trial: DiskTrial): void {
    const operation = this.#operation;
    this.#counts.add(operation.kind);
    if (!isDone(operation, trial, model)) {
      this.#counts.refused += 1;
      trial.expectAll(model);
      return;
    }
    if (operation.isPartial === true) adoptOutcome(model, operation, trial);
    else operation.apply(model);
    if (operation.changesMuch) trial.expectAll(model);
    else {
      const window = operation.window?.(model);
      if (window !== undefined) trial.expectWindow(model, widened(window, model));
    }
  }

  toString(): string {
    return this.#operation.toString();
  }
}

/** A window with what lies around it, where mistakes would show. */
function widened(
  { guestOffset, lengthBytes }: { guestOffset: number; lengthBytes: number },
  { sizeBytes, traits }: DiskModel,
): { guestOffset: number; lengthBytes: number } {
  const around = Math.min(traits.clusterBytes, 16 * 1024);
  const start = Math.max(0, guestOffset - around);
  const end = Math.min(sizeBytes, guestOffset + lengthBytes + around);
  return { guestOffset: start, lengthBytes: end - start };
}
