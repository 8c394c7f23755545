/** How much a check may do that follows every reference one by one. */

/** One unit is about an entry of a table that is looked at. */
const LEAST_UNITS = 2 ** 22;
const MOST_UNITS = 2 ** 27;
/** Images in order name a cluster once, or once more for each snapshot. */
const FILE_BYTES_PER_UNIT = 16;

/** The image would take hours: few tables named very often, or places very far apart. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork';
}

export class WorkBudget {
  #left: number;

  constructor(fileBytes: number) {
    const units = LEAST_UNITS + fileBytes / FILE_BYTES_PER_UNIT;
    this.#left = Math.min(units, MOST_UNITS);
  }

  /** @throws TooMuchWork */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new TooMuchWork('A check that follows each reference gives up');
  }
}
