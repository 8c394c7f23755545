/** Runs inputs one after another and keeps those that fail. */
import { saveFailure } from './failure-store.ts';
import { bytesOf, FuzzInputs } from './fuzz-input.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { minimise } from './minimise.ts';
import { type Failure, runInput, thrownFailure } from './run-input.ts';

export interface FuzzLoopOptions {
  readonly seed: number;
  readonly firstIndex: number;
  /** Called before each input with its index; false ends the loop. */
  readonly goOn: (index: number, totals: FuzzTotals) => boolean;
  /** Where failing inputs are saved. */
  readonly folder: string;
  readonly report: (line: string) => void;
  /** Processor time that one input may take; that of {@link runInput} when left out. */
  readonly maxCpuMs?: number;
}

export interface FuzzTotals {
  readonly inputs: number;
  /** Inputs that a `DiskError` refused as a whole. */
  readonly refused: number;
  readonly failures: number;
}

export async function fuzzLoop(target: FuzzTarget, options: FuzzLoopOptions): Promise<FuzzTotals> {
  const inputs = new FuzzInputs(target, options.seed);
  const totals = { inputs: 0, refused: 0, failures: 0 };
  const stray = new StrayErrors();
  try {
    for (let index = options.firstIndex; options.goOn(index, totals); index++) {
      const input = inputs.at(index);
      const outcome = await runInput(target, bytesOf(input), input.choices, options.maxCpuMs);
      // Lets promises that nobody awaits reject before the next input gets the blame.
      await new Promise(setImmediate);
      totals.inputs += 1;
      if (outcome.refused) totals.refused += 1;
      const failure = outcome.failure ?? stray.take();
      if (failure === undefined) continue;
      totals.failures += 1;
      const kept = failure.kind === 'thrown' ? await minimise(target, input) : input;
      const origin = { target: target.name, seed: options.seed, index };
      const path = saveFailure(options.folder, origin, kept, failure);
      options.report(`${target.name} #${index}: ${failure.kind}: ${failure.message} (${path})`);
    }
  } finally {
    stray.stop();
  }
  return totals;
}

/** Rejections and exceptions that reach nobody. */
class StrayErrors {
  #first: Failure | undefined;
  readonly #note = (error: unknown) => {
    this.#first ??= { ...thrownFailure(error), kind: 'stray' };
  };

  constructor() {
    process.on('unhandledRejection', this.#note);
    process.on('uncaughtException', this.#note);
  }

  take(): Failure | undefined {
    const first = this.#first;
    this.#first = undefined;
    return first;
  }

  stop(): void {
    process.off('unhandledRejection', this.#note);
    process.off('uncaughtException', this.#note);
  }
}
