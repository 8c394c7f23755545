/** Progress as qemu-img shows it: on request on standard output, or when a signal asks for it. */
import type { ChainProgress } from 'diskfile';
import type { Program } from '../program.ts';

/** Percentage points between two reports. */
const STEP = 1;

export class QemuProgress {
  readonly #program: Program;
  readonly #isShown: boolean;
  #percent = 0;
  #shown = 0;
  /** Whether a signal has asked since the last report. */
  #isAsked = false;
  readonly #ask = (): void => {
    this.#isAsked = true;
  };

  /** @param isShown whether to print without being asked */
  constructor(program: Program, isShown: boolean) {
    this.#program = program;
    this.#isShown = isShown;
    if (process.platform !== 'win32') process.on('SIGUSR1', this.#ask);
    this.#report();
  }

  /** What the library calls. */
  readonly update = ({ doneBytes, totalBytes }: ChainProgress): void => {
    this.#percent = totalBytes === 0 ? 100 : Math.min(100, (doneBytes * 100) / totalBytes);
    const isDue =
      this.#percent > this.#shown + STEP || this.#percent < this.#shown || this.#percent === 100;
    if (isDue || this.#isAsked) this.#report();
  };

  /** The work is done, or has failed. */
  finish(isDone: boolean): void {
    process.off('SIGUSR1', this.#ask);
    if (isDone) this.update({ doneBytes: 1, totalBytes: 1 });
    if (this.#isShown) this.#program.output.text('\n');
    this.#program.output.flush();
  }

  #report(): void {
    this.#shown = this.#percent;
    const text = `    (${this.#percent.toFixed(2)}/100%)`;
    if (this.#isShown) {
      this.#program.output.text(`${text}\r`);
      this.#program.output.flush();
    } else if (this.#isAsked) this.#program.rawError(`${text}\n`);
    this.#isAsked = false;
  }
}
