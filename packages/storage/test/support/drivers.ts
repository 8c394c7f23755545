/** Runs what is written once in both of its ways. */
import { runAsync, runSync, type Step } from '@diskfile/core';

/** Results of a step under the synchronous and the asynchronous driver. */
export async function bothWays<T>(makeStep: () => Step<T>): Promise<[T, T]> {
  const sync = runSync(makeStep());
  return [sync, await runAsync(makeStep())];
}

/** The errors of a step that has to fail under either driver. */
export async function bothFail(makeStep: () => Step<unknown>): Promise<[unknown, unknown]> {
  return [caught(() => runSync(makeStep())), await caughtAsync(() => runAsync(makeStep()))];
}

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure under the synchronous driver');
}

async function caughtAsync(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure under the asynchronous driver');
}
