/** What of a file is used, and for what: nothing may be used twice. */

const MAX_MESSAGES = 20;

interface Place {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

export class Places {
  readonly #places: Place[] = [];

  use(what: string, start: number, lengthBytes: number): void {
    this.#places.push({ what, start, end: start + lengthBytes });
  }

  /** Bytes right before `offset` that nothing uses. */
  gapBefore(offset: number): number {
    const ends = this.#places.filter(({ start }) => start < offset).map(({ end }) => end);
    return Math.max(0, offset - Math.max(0, ...ends));
  }

  /** What overlaps something else, or goes on beyond the end of the file. */
  faults(fileBytes: number): string[] {
    const faults: string[] = [];
    const sorted = this.#places.toSorted((one, other) => one.start - other.start);
    let last: Place | undefined;
    for (const place of sorted) {
      if (place.end > fileBytes) faults.push(`${place.what} goes on beyond the end of the file`);
      if (last !== undefined && place.start < last.end) {
        faults.push(`${place.what} lies where ${last.what} is, at ${place.start}`);
      }
      if (last === undefined || place.end > last.end) last = place;
    }
    return faults.slice(0, MAX_MESSAGES);
  }
}
