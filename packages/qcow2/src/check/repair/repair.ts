/**
 * Repairs an image step by step. Every step leaves the image at least as good as it was, whenever it
 * is interrupted: what is in use counts as used before anything else is given up. After each step
 * the image is looked at anew, so no step builds on what an earlier one was thought to have done.
 */
import type { RepairMode, Step, WritableStorage } from '@diskfile/core';
import { Inspection, type InspectionContext } from '../inspection.ts';
import { EntryRepair } from './entry-repair.ts';
import { HeaderRepair } from './header-repair.ts';
import { RefcountCorrection } from './refcount-correction.ts';
import { RefcountRebuild } from './refcount-rebuild.ts';

export interface RepairContext extends InspectionContext {
  readonly storage: WritableStorage;
  readonly repair: RepairMode;
}

/** How often each action has been tried. */
type Tries = ReadonlyMap<RepairAction, number>;

interface RepairAction {
  /** @param done what has been done before */
  isNeeded(inspection: Inspection, mode: RepairMode, done: Tries): boolean;
  run(storage: WritableStorage, inspection: Inspection): Step<void>;
}

/** One action may have to wait for another to clear its way. */
const MAX_TRIES = 2;

/** Clusters that seem unused may belong to a reference that is damaged; then they are kept. */
const LOWER: RepairAction = {
  isNeeded: ({ comparison, findings, needsRebuild }) =>
    comparison.tooHigh > 0 && findings.areReferencesSound && !needsRebuild,
  run: (storage, inspection) => new RefcountCorrection(storage, inspection, 'lower').run(),
};

/** In the order in which they are to be done. */
const ACTIONS: readonly RepairAction[] = [
  {
    isNeeded: ({ areBitmapsDamaged }, mode) => mode === 'all' && areBitmapsDamaged,
    run: (storage, { header }) => new HeaderRepair(storage, header).dropBitmaps(),
  },
  {
    isNeeded: ({ findings }, mode) => mode === 'all' && findings.mendableEntries > 0,
    run: (storage, inspection) => new EntryRepair(storage, inspection).mendEntries(),
  },
  {
    isNeeded: ({ needsRebuild, snapshots }, mode) =>
      mode === 'all' && (needsRebuild || snapshots.isMendable),
    run: (storage, inspection) => new RefcountRebuild(storage, inspection).run(),
  },
  {
    isNeeded: ({ comparison }, mode) => mode === 'all' && comparison.tooLow > 0,
    run: (storage, inspection) => new RefcountCorrection(storage, inspection, 'raise').run(),
  },
  LOWER,
  {
    isNeeded: hasSettledFlags,
    run: (storage, inspection) => new EntryRepair(storage, inspection).setCopiedFlags(),
  },
];

/**
 * The flags go by the stored refcounts. Who wants no more than leaks repaired gets them right where
 * the leaks were, or where they are all that is wrong.
 */
function hasSettledFlags({ findings }: Inspection, mode: RepairMode, done: Tries): boolean {
  const { wrongCopiedFlags, checkErrors, corruptions, leaks } = findings;
  if (wrongCopiedFlags === 0) return false;
  if (mode === 'all' || done.has(LOWER)) return true;
  return checkErrors === 0 && leaks === 0 && corruptions === wrongCopiedFlags;
}

/**
 * @param first what was found before
 * @returns what is left
 */
export function* repairImage(context: RepairContext, first: Inspection): Step<Inspection> {
  const { storage, repair } = context;
  const tries = new Map<RepairAction, number>();
  let inspection = first;
  for (;;) {
    const action = ACTIONS.find(
      (each) => (tries.get(each) ?? 0) < MAX_TRIES && each.isNeeded(inspection, repair, tries),
    );
    if (action === undefined) break;
    if (tries.size === 0) {
      yield* new HeaderRepair(storage, inspection.header).clearUnknownAutoclear();
    }
    tries.set(action, (tries.get(action) ?? 0) + 1);
    yield* action.run(storage, inspection);
    inspection = yield* Inspection.run(context);
  }
  const { checkErrors, corruptions } = inspection.findings;
  if (checkErrors === 0 && corruptions === 0) {
    yield* new HeaderRepair(storage, inspection.header).clearDirtyAndCorrupt();
  }
  return inspection;
}
