/**
 * Knows which reads are under way. A read looks up where bytes lie and then fetches them; space
 * freed in between must not be used for something else before the read is over.
 */
export class ReadEpochs {
  /** Numbers of the reads under way, oldest first. */
  readonly #reading = new Set<number>();
  readonly #waiting: { readonly before: number; readonly callback: () => void }[] = [];
  #next = 0;

  get isReading(): boolean {
    return this.#reading.size > 0;
  }

  begin(): number {
    const epoch = this.#next;
    this.#next += 1;
    this.#reading.add(epoch);
    return epoch;
  }

  end(epoch: number): void {
    this.#reading.delete(epoch);
    const oldest = this.#oldest();
    while (this.#waiting.length > 0 && this.#waiting[0]!.before <= oldest) {
      this.#waiting.shift()!.callback();
    }
  }

  /** Calls back once every read that is under way now has ended; at once when there is none. */
  afterCurrentReads(callback: () => void): void {
    if (this.#reading.size === 0) callback();
    else this.#waiting.push({ before: this.#next, callback });
  }

  #oldest(): number {
    for (const epoch of this.#reading) return epoch;
    return this.#next;
  }
}
