/** Things that are used by one task at a time, so that not too many tasks run side by side. */

export class Lanes<T> {
  /** The one that was used last comes first again. */
  readonly #free: T[];
  /** Tasks that wait for one, in the order in which they came. */
  readonly #waiting: ((lane: T) => void)[] = [];

  constructor(lanes: readonly T[]) {
    this.#free = [...lanes];
  }

  async run<R>(task: (lane: T) => Promise<R>): Promise<R> {
    const lane =
      this.#free.pop() ?? (await new Promise<T>((resolve) => this.#waiting.push(resolve)));
    try {
      return await task(lane);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(lane);
      else next(lane);
    }
  }
}
