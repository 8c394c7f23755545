/** How much a check may do before an image counts as made to take forever. */
import { DiskError } from '@diskfile/bytes';

/** One unit is about an entry of a table that is looked at. */
const MAX_UNITS = 2 ** 28;

export class WorkBudget {
  #left: number;

  constructor(units = MAX_UNITS) {
    this.#left = units;
  }

  /** @throws DiskError `limit` for an image that would take hours, as few tables named very often */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left >= 0) return;
    throw new DiskError(
      'limit',
      'qcow2.check.work',
      'The tables are named too often to be followed, or name places too far apart',
      { op: 'check', hint: 'Check the image without asQemu, which follows each table once.' },
    );
  }
}
