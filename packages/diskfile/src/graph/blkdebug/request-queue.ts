/** Keeps requests that read and write back whole units apart from all others of the same bytes. */

export interface QueuedRange {
  readonly start: number;
  readonly end: number;
  /** Whether nothing else may happen to the range meanwhile. */
  readonly isAlone?: boolean;
}

export class RequestQueue {
  readonly #running = new Map<QueuedRange, Promise<void>>();

  /** Runs `work` once earlier requests that it must not meet have ended. */
  async run(range: QueuedRange, work: () => Promise<void>): Promise<void> {
    const earlier = [...this.#running].filter(([other]) => collide(range, other));
    const done = (async () => {
      for (const [, ended] of earlier) await ended;
      await work();
    })();
    this.#running.set(
      range,
      done.catch(() => {}),
    );
    try {
      await done;
    } finally {
      this.#running.delete(range);
    }
  }
}

function collide(one: QueuedRange, other: QueuedRange): boolean {
  if (one.isAlone !== true && other.isAlone !== true) return false;
  return one.start < other.end && other.start < one.end;
}
