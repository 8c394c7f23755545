/** Progress for programs: one object a line. */

/** Milliseconds between two lines. */
const INTERVAL = 200;

export interface Progressed {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export class ProgressLines {
  readonly #write: (line: string) => void;
  #last = Number.NEGATIVE_INFINITY;
  #hasEnded = false;

  /** @param write is given whole lines, a line feed included */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** The end is told of in any case, and once. */
  update({ doneBytes, totalBytes }: Progressed): void {
    const now = performance.now();
    const isEnd = doneBytes >= totalBytes;
    if (isEnd ? this.#hasEnded : now - this.#last < INTERVAL) return;
    this.#last = now;
    this.#hasEnded = isEnd;
    this.#write(`${JSON.stringify({ doneBytes, totalBytes })}\n`);
  }
}
