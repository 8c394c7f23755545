/** What a check has found, in words: the first of it, since an image can be wrong in millions of places. */
import type { CheckFinding } from './check-report.ts';

const MAX_LISTED = 1000;

export class FindingList {
  readonly listed: CheckFinding[] = [];
  omitted = 0;

  /** @param describe called for what is listed only */
  add(describe: () => CheckFinding): void {
    if (this.listed.length < MAX_LISTED) this.listed.push(describe());
    else this.omitted += 1;
  }
}
