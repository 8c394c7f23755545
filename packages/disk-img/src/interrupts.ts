/** Work that a signal ends in good order: nothing half made stays behind. */
import { Interrupted } from '@diskfile/command';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @throws Interrupted when a signal came, once the work has ended because of it */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const abort = (signal: NodeJS.Signals): void => {
    received ??= signal;
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, abort);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (received !== undefined) throw new Interrupted(received);
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort);
  }
}
