/** Ends of a command that are nobody's fault. */

/** The reader of standard output is gone; nothing is wrong and nothing is to be said. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
}

/** A signal that came while something had to be put in order first. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}
