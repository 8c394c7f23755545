/** Checks an image, and mends what names nothing. */
import { DiskError, divideUp, hasAnyBit } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckReport,
  flushStorage,
  isWritable,
  type Limits,
  readBytes,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import { HeaderState } from './header-state.ts';
import { HEADER_BYTES, parseHeader } from './header.ts';
import { Inspection } from './inspection.ts';
import { FEATURE } from './structs.ts';

/** What `FormatDriver.check` says. */
export function* checkQed(context: CheckContext): Step<CheckReport> {
  const { storage, repair, limits } = context;
  const head = yield* readBytes(storage, 0, HEADER_BYTES);
  const state = yield* HeaderState.open(storage, parseHeader(head, storage.sizeBytes, limits));
  const onProgress = context.onProgress.bind(context);
  const options = { limits, mend: undefined, onProgress };
  if (repair === undefined) {
    return reportOf(yield* Inspection.run(storage, state.header, options), state);
  }
  if (!isWritable(storage)) throw readOnly(storage.name);
  // Leaks cannot be mended: clusters are never used again. QEMU mends all else with either mode.
  const mend = repair === 'all' || context.asQemu ? storage : undefined;
  const found = yield* Inspection.run(storage, state.header, { ...options, mend });
  if (found.corruptions === 0) yield* markClean(storage, state);
  else yield* flushStorage(storage);
  if (found.corruptionsFixed === 0) return reportOf(found, state);
  // What was mended is no longer part of the image.
  const left = yield* Inspection.run(storage, state.header, options);
  return reportOf(left, state, found);
}

/**
 * Puts an image right whose tables may name what a crash has kept from being written, as everyone
 * does who opens such an image for writing.
 */
export function* mendAfterCrash(
  storage: WritableStorage,
  state: HeaderState,
  limits: Limits,
): Step<Inspection> {
  const found = yield* Inspection.run(storage, state.header, { limits, mend: storage });
  if (found.corruptions === 0) yield* markClean(storage, state);
  return found;
}

/** What was mended is durable before the image stops saying that it needs it. */
function* markClean(storage: WritableStorage, state: HeaderState): Step<void> {
  yield* flushStorage(storage);
  const { features } = state.header;
  if (!hasAnyBit(features, FEATURE.needCheck)) return;
  yield* state.change(storage, { features: features - FEATURE.needCheck });
}

/** @param mended the walk that mended something, where there was one */
function reportOf(found: Inspection, { header }: HeaderState, mended?: Inspection): CheckReport {
  const before = mended?.findings.listed.filter(({ repaired }) => repaired) ?? [];
  return {
    format: 'qed',
    checkErrors: 0,
    corruptions: found.corruptions,
    corruptionsFixed: mended?.corruptionsFixed ?? 0,
    leaks: found.leaks,
    leaksFixed: 0,
    imageEndOffset: 0,
    totalClusters: divideUp(header.sizeBytes, header.clusterBytes),
    allocatedClusters: found.allocatedClusters,
    compressedClusters: 0,
    fragmentedClusters: found.fragmentedClusters,
    findings: [...before, ...found.findings.listed],
    findingsOmitted: found.findings.omitted + (mended?.findings.omitted ?? 0),
  };
}

function readOnly(path: string): DiskError {
  return new DiskError('read-only', 'qed.storage-read-only', 'The image can only be read', {
    path,
    hint: 'Check it without repairing it.',
  });
}
