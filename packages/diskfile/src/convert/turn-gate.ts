/** Lets steps that run side by side do something in the order of their numbers. */
import type { HostCall } from '@diskfile/core';

export class TurnGate {
  #current = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #waiting = new Map<number, { enter: () => void; fail: (error: unknown) => void }>();

  /** A call that returns when the turn of `number` has come; {@link leave} has to follow. */
  enter(number: number): HostCall {
    return {
      runSync: () => {
        if (number !== this.#current) throw new Error('assertion failed: nobody else to wait for');
      },
      run: async () => {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (number === this.#current) return;
        await new Promise<void>((enter, fail) => {
          this.#waiting.set(number, { enter, fail });
        });
      },
    };
  }

  leave(): void {
    this.#current += 1;
    const next = this.#waiting.get(this.#current);
    this.#waiting.delete(this.#current);
    next?.enter();
  }

  /** Nobody gets a turn any more: whoever waits, or comes later, fails with this. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { fail } of this.#waiting.values()) fail(this.#failure.error);
    this.#waiting.clear();
  }
}
