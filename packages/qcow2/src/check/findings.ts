/** What a check has found so far: exact counts, and the first few findings in words. */
import type { CheckFinding } from '@diskfile/core';
import { hex } from '../errors.ts';

/** Findings that are listed; an image can be wrong in millions of places. */
const MAX_LISTED = 1000;

type Described = Omit<CheckFinding, 'kind' | 'repaired'>;

export class Findings {
  checkErrors = 0;
  corruptions = 0;
  leaks = 0;
  /**
   * References that name no place where anything can be. What they stood for is not known, so
   * clusters that seem unused may be theirs.
   */
  brokenReferences = 0;
  /** Entries that can be put right without a change to what the disk holds. */
  mendableEntries = 0;
  wrongCopiedFlags = 0;
  readonly listed: CheckFinding[] = [];
  omitted = 0;

  /** The first thing that is wrong besides counts and copied flags. */
  firstDamage: Described | undefined;

  /** Whether everything that refers to clusters makes sense, so that nothing is missed. */
  get areReferencesSound(): boolean {
    return this.checkErrors + this.brokenReferences + this.mendableEntries === 0;
  }

  /** Something could not be checked. */
  checkError(times: number, describe: () => Described): void {
    this.checkErrors += times;
    this.firstDamage ??= describe();
    this.#list('error', describe);
  }

  corruption(times: number, describe: () => Described): void {
    this.corruptions += times;
    this.#list('error', describe);
  }

  /** A corruption of more than counts. */
  damage(times: number, describe: () => Described): void {
    this.firstDamage ??= describe();
    this.corruption(times, describe);
  }

  /** A corruption that leaves clusters without an owner. */
  brokenReference(times: number, describe: () => Described): void {
    this.brokenReferences += times;
    this.damage(times, describe);
  }

  /** An L1 or L2 entry whose copied flag is not as the stored refcount would have it. */
  wrongCopiedFlag(entryOffset: number, shouldBeSet: boolean, times: number): void {
    this.wrongCopiedFlags += times;
    const state = shouldBeSet ? 'lacks the copied flag' : 'has the copied flag';
    const use = shouldBeSet ? 'nothing else uses its cluster' : 'its cluster is not used once';
    this.corruption(times, () => ({
      detail: 'qcow2.check.copied-flag',
      message: `The entry at ${hex(entryOffset)} ${state}, though ${use}`,
      hostOffset: entryOffset,
    }));
  }

  /** Something that is wrong, and that QEMU does not count as such. */
  uncounted(describe: () => Described): void {
    this.firstDamage ??= describe();
    this.#list('error', describe);
  }

  misnamingEntry(times: number, describe: () => Described): void {
    this.mendableEntries += times;
    this.uncounted(describe);
  }

  mendableEntry(times: number, describe: () => Described): void {
    this.mendableEntries += times;
    this.damage(times, describe);
  }

  leak(times: number, describe: () => Described): void {
    this.leaks += times;
    this.#list('leak', describe);
  }

  /** Descriptions are made for what is listed only. */
  #list(kind: CheckFinding['kind'], describe: () => Described): void {
    if (this.listed.length < MAX_LISTED) {
      this.listed.push({ kind, ...describe(), repaired: false });
    } else this.omitted += 1;
  }
}
