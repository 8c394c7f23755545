/** Progress as qemu-img shows it: on request on standard output, or when a signal asks for it. */
import { ProgressLines } from '@diskfile/command';
import type { ChainProgress } from 'diskfile';
import type { Program } from '../program.ts';
import { ProgressBar } from './progress-bar.ts';

/** Percentage points between two reports. */
const STEP = 1;

export class QemuProgress {
  readonly #program: Program;
  readonly #isShown: boolean;
  /** Shows it in another form than qemu-img's. */
  readonly #other: ProgressBar | ProgressLines | undefined;
  /** Of the work, once the library has told. */
  #totalBytes: number | undefined;
  #percent = 0;
  #shown = 0;
  /** Whether a signal has asked since the last report. */
  #isAsked = false;
  readonly #ask = (): void => {
    this.#isAsked = true;
  };

  /**
   * @param isShown whether to print without being asked
   * @param isBegun whether the work begins now; else {@link begin} says so
   */
  constructor(program: Program, isShown: boolean, isBegun = true) {
    this.#program = program;
    this.#other = otherForm(program, isShown);
    this.#isShown = isShown && this.#other === undefined;
    if (process.platform !== 'win32') process.on('SIGUSR1', this.#ask);
    if (isBegun) this.#report();
  }

  begin(): void {
    this.#report();
  }

  /** What the library calls. */
  readonly update = (progress: ChainProgress): void => {
    const { doneBytes, totalBytes } = progress;
    this.#totalBytes = totalBytes;
    this.#other?.update(progress);
    this.#percent = totalBytes === 0 ? 100 : Math.min(100, (doneBytes * 100) / totalBytes);
    const isDue =
      this.#percent > this.#shown + STEP || this.#percent < this.#shown || this.#percent === 100;
    if (isDue || this.#isAsked) this.#report();
  };

  /** All is done, whether the library has told or not. */
  complete(): void {
    const totalBytes = this.#totalBytes ?? 0;
    this.update({ doneBytes: totalBytes, totalBytes });
  }

  /** The work is done, or has failed. */
  finish(isDone: boolean): void {
    process.off('SIGUSR1', this.#ask);
    if (isDone) this.complete();
    if (this.#other instanceof ProgressBar) this.#other.finish();
    if (this.#isShown) this.#program.output.text('\n');
    // In place of qemu-img: why it has failed comes before that end of the line.
    if (isDone || !this.#program.isLookAlike) this.#program.output.flush();
  }

  #report(): void {
    this.#shown = this.#percent;
    const text = `    (${twoDecimals(this.#percent)}/100%)`;
    if (this.#isShown) {
      this.#program.output.text(`${text}\r`);
      this.#program.output.flush();
    } else if (this.#isAsked) this.#program.rawError(`${text}\n`);
    this.#isAsked = false;
  }
}

/** As printf(3) rounds a number of 32 bits: what lies half way to the even neighbour. */
function twoDecimals(percent: number): string {
  const hundredths = Math.fround(percent) * 100;
  const below = Math.floor(hundredths);
  const rounded = hundredths - below === 0.5 ? below + (below % 2) : Math.round(hundredths);
  return (rounded / 100).toFixed(2);
}

function otherForm(program: Program, isShown: boolean): ProgressBar | ProgressLines | undefined {
  const lines = (): ProgressLines => new ProgressLines((line) => program.rawError(line));
  if (program.jsonLines) return lines();
  if (!isShown || program.isLookAlike) return undefined;
  if (program.canDraw) return new ProgressBar(program);
  // Nothing but the document goes to standard output.
  return program.isJson ? lines() : undefined;
}
