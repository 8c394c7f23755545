/**
 * Format logic that is written once and driven two ways.
 *
 * Code that may need I/O is a generator which yields {@link HostCall}s. {@link runSync} performs
 * each call on the spot, {@link runAsync} awaits it; the body cannot tell the difference.
 */

/** One piece of work for the host: a read, a decompression, the opening of a file. */
export interface HostCall {
  runSync(): void;
  run(): Promise<void>;
}

/** A computation that may pause for {@link HostCall}s and returns `T`. */
export type Step<T> = Generator<HostCall, T, void>;

/** Drives a step to its end on this thread. Errors of host calls surface inside the step. */
export function runSync<T>(step: Step<T>): T {
  let result = step.next();
  while (!result.done) {
    let failure: { error: unknown } | undefined;
    try {
      result.value.runSync();
    } catch (error) {
      failure = { error };
    }
    result = failure === undefined ? step.next() : step.throw(failure.error);
  }
  return result.value;
}

/** Drives a step to its end, awaiting each host call. */
export async function runAsync<T>(step: Step<T>): Promise<T> {
  let result = step.next();
  while (!result.done) {
    let failure: { error: unknown } | undefined;
    try {
      await result.value.run();
    } catch (error) {
      failure = { error };
    }
    result = failure === undefined ? step.next() : step.throw(failure.error);
  }
  return result.value;
}

/** A step that makes one host call and returns its result. */
export function* hostCall<T>(sync: () => T, async: () => Promise<T>): Step<T> {
  let result: { value: T } | undefined;
  yield {
    runSync: () => {
      result = { value: sync() };
    },
    run: async () => {
      result = { value: await async() };
    },
  };
  return result!.value;
}

/** Many host calls as one: in turn under the synchronous driver, side by side under the other. */
export class ParallelCalls implements HostCall {
  readonly #calls: readonly HostCall[];

  constructor(calls: readonly HostCall[]) {
    this.#calls = calls;
  }

  runSync(): void {
    for (const call of this.#calls) call.runSync();
  }

  /** Settles all calls before it reports the first failure: none still fills a buffer afterwards. */
  async run(): Promise<void> {
    const settled = await Promise.allSettled(this.#calls.map((call) => call.run()));
    const failed = settled.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** A step that itself becomes one host call, so that several steps can run side by side. */
export function stepCall(makeStep: () => Step<void>): HostCall {
  return { runSync: () => runSync(makeStep()), run: () => runAsync(makeStep()) };
}
