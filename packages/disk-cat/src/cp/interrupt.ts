/** Ctrl-C while files are half written: they are removed first, then the process ends by the signal. */
import { setImmediate } from 'node:timers/promises';
import { Interrupted } from '@diskfile/command';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Notes signals instead of dying of them; {@link check} says when to stop. */
export class SignalWatch {
  #signal: NodeJS.Signals | undefined;
  readonly #note = (signal: NodeJS.Signals): void => {
    this.#signal = signal;
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#note);
  }

  /** Gives signals a chance to arrive. @throws Interrupted when one has */
  async check(): Promise<void> {
    await setImmediate();
    if (this.#signal !== undefined) throw new Interrupted(this.#signal);
  }

  stop(): void {
    for (const signal of SIGNALS) process.off(signal, this.#note);
  }
}
