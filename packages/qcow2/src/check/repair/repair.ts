/**
 * Repairs an image step by step. Every step leaves the image at least as good as it was, whenever it
 * is interrupted: what is in use counts as used before anything else is given up. After each step
 * the image is looked at anew, so no step builds on what an earlier one was thought to have done.
 */
import type { DiskWarning, RepairMode, Step, WritableStorage } from '@diskfile/core';
import { Inspection, type InspectionContext } from '../inspection.ts';
import { EntryRepair } from './entry-repair.ts';
import { HeaderRepair } from './header-repair.ts';
import { RefcountCorrection } from './refcount-correction.ts';
import { RefcountRebuild } from './refcount-rebuild.ts';

export interface RepairContext extends InspectionContext {
  readonly storage: WritableStorage;
  readonly repair: RepairMode;
  warn(warning: DiskWarning): void;
}

interface RepairAction {
  isNeeded(inspection: Inspection): boolean;
  run(inspection: Inspection): Step<void>;
}

/** One action may have to wait for another to clear its way. */
const MAX_TRIES = 2;

export class Repair {
  readonly #context: RepairContext;
  readonly #storage: WritableStorage;
  /** How often each action has been tried. */
  readonly #tries = new Map<RepairAction, number>();
  #tablesGivenUp = 0;
  #clustersGivenUp = 0;

  readonly #dropBitmaps: RepairAction = {
    isNeeded: ({ areBitmapsDamaged }) => areBitmapsDamaged,
    run: ({ header }) => new HeaderRepair(this.#storage, header).dropBitmaps(),
  };
  readonly #mendEntries: RepairAction = {
    isNeeded: ({ findings: { mendableEntries, wrongCopiedFlags } }) =>
      mendableEntries > 0 || (wrongCopiedFlags > 0 && this.#tries.has(this.#setFlags)),
    run: (inspection) => this.#mend(inspection),
  };
  readonly #rebuild: RepairAction = {
    isNeeded: ({ needsRebuild, snapshots }) => needsRebuild || snapshots.isMendable,
    run: (inspection) =>
      new RefcountRebuild(this.#storage, inspection, !this.#isAllKnown(inspection)).run(),
  };
  readonly #raise: RepairAction = {
    // A block that something else has as well must not be written.
    isNeeded: ({ comparison, blockPlaces }) => comparison.tooLow > 0 && !blockPlaces.isBroken,
    run: (inspection) => new RefcountCorrection(this.#storage, inspection, 'raise').run(),
  };
  readonly #lower: RepairAction = {
    isNeeded: (inspection) =>
      inspection.comparison.tooHigh > 0 && !inspection.needsRebuild && this.#isAllKnown(inspection),
    run: (inspection) => new RefcountCorrection(this.#storage, inspection, 'lower').run(),
  };
  readonly #setFlags: RepairAction = {
    isNeeded: ({ findings }) => findings.wrongCopiedFlags > 0,
    run: (inspection) => new EntryRepair(this.#storage, inspection).setCopiedFlags(),
  };
  /** Who wants no more than leaks repaired gets flags right that go with them, or are all there is. */
  readonly #setLeakFlags: RepairAction = {
    isNeeded: ({ findings }) => {
      const { wrongCopiedFlags, checkErrors, corruptions, leaks } = findings;
      const areAll = checkErrors === 0 && leaks === 0 && corruptions === wrongCopiedFlags;
      return wrongCopiedFlags > 0 && (areAll || this.#tries.has(this.#lower));
    },
    run: (inspection) => this.#setFlags.run(inspection),
  };

  constructor(context: RepairContext) {
    this.#context = context;
    this.#storage = context.storage;
  }

  /**
   * @param first what was found before
   * @returns what is left
   */
  *run(first: Inspection): Step<Inspection> {
    let inspection = first;
    for (;;) {
      const action = this.#nextAction(inspection);
      if (action === undefined) break;
      if (this.#tries.size === 0) {
        yield* new HeaderRepair(this.#storage, inspection.header).clearUnknownAutoclear();
      }
      this.#tries.set(action, (this.#tries.get(action) ?? 0) + 1);
      yield* action.run(inspection);
      inspection = yield* Inspection.run(this.#context);
    }
    this.#warn(inspection);
    const { checkErrors, corruptions } = inspection.findings;
    if (checkErrors === 0 && corruptions === 0) {
      yield* new HeaderRepair(this.#storage, inspection.header).clearDirtyAndCorrupt();
    }
    return inspection;
  }

  /** The first that is needed, in the order in which they are to be done. */
  #nextAction(inspection: Inspection): RepairAction | undefined {
    const inOrder =
      this.#context.repair === 'leaks'
        ? [this.#lower, this.#setLeakFlags]
        : [
            this.#dropBitmaps,
            this.#mendEntries,
            this.#rebuild,
            this.#raise,
            this.#lower,
            this.#setFlags,
          ];
    return inOrder.find(
      (action) => (this.#tries.get(action) ?? 0) < MAX_TRIES && action.isNeeded(inspection),
    );
  }

  *#mend(inspection: Inspection): Step<void> {
    const entries = new EntryRepair(this.#storage, inspection);
    yield* entries.mendEntries();
    this.#tablesGivenUp += entries.tablesGivenUp;
    this.#clustersGivenUp += entries.clustersGivenUp;
  }

  /** Clusters that seem unused may belong to what is damaged, or was given up; then they are kept. */
  #isAllKnown({ findings, areBitmapsDamaged }: Inspection): boolean {
    return findings.areReferencesSound && !areBitmapsDamaged && this.#tablesGivenUp === 0;
  }

  #warn({ findings: { leaks } }: Inspection): void {
    if (this.#tablesGivenUp + this.#clustersGivenUp > 0) {
      this.#context.warn({
        detail: 'qcow2.check.data-lost',
        message:
          `The data of ${this.#clustersGivenUp} clusters of the disk, and ${this.#tablesGivenUp} ` +
          'tables of such clusters, could not be found: that part of the disk no longer shows them',
      });
    }
    if (leaks === 0) return;
    this.#context.warn({
      detail: 'qcow2.check.leaks-kept',
      message:
        this.#tablesGivenUp > 0
          ? 'Clusters that seem unused may be what the lost tables stood for, and were kept; repairing leaks gives them up'
          : 'Clusters that seem unused may be what damaged entries stand for, and were kept',
    });
  }
}
