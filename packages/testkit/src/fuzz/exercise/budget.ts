/**
 * Processor time for one part of an exercise. An image may describe more than anyone can list; each
 * call still has to come back soon, which the bound on the whole input sees to.
 */
export class Budget {
  readonly #start = process.cpuUsage();
  readonly #microseconds: number;

  constructor(milliseconds: number) {
    this.#microseconds = milliseconds * 1000;
  }

  get isSpent(): boolean {
    const { user, system } = process.cpuUsage(this.#start);
    return user + system > this.#microseconds;
  }
}
