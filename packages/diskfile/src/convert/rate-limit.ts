/** Keeps work from going faster than so many bytes a second. */
import { setTimeout } from 'node:timers/promises';
import type { HostCall } from '@diskfile/core';

/** What an idle second or so may be caught up with. */
const BURST_MILLISECONDS = 100;

export class RateLimit {
  readonly #bytesPerMillisecond: number;
  /** When all that was let pass would have been through at exactly that rate. */
  #paidUntil = 0;

  readonly #signal: AbortSignal | undefined;

  /** @param signal ends waiting; what is let pass then is for others to stop */
  constructor(bytesPerSecond: number, signal?: AbortSignal) {
    this.#bytesPerMillisecond = bytesPerSecond / 1000;
    this.#signal = signal;
  }

  /** A call that returns when that many bytes more may pass. */
  pass(lengthBytes: number): HostCall {
    return {
      runSync: () => {
        const wait = this.#take(lengthBytes);
        if (wait > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait);
      },
      run: async () => {
        const wait = this.#take(lengthBytes);
        if (wait <= 0) return;
        const signal = this.#signal;
        await setTimeout(wait, undefined, { signal }).catch((error: unknown) => {
          if (signal?.aborted !== true) throw error;
        });
      },
    };
  }

  /** @returns milliseconds to wait */
  #take(lengthBytes: number): number {
    const now = performance.now();
    const start = Math.max(this.#paidUntil, now - BURST_MILLISECONDS);
    this.#paidUntil = start + lengthBytes / this.#bytesPerMillisecond;
    return start - now;
  }
}
