/** Checks an image, and repairs it. */
import { DiskError } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckFinding,
  type CheckReport,
  closeStorage,
  isWritable,
  type Step,
} from '@diskfile/core';
import { openDataFile } from '../data-file.ts';
import { genuineCheck, type GenuineResult } from './genuine/genuine-check.ts';
import { TooMuchWork } from './genuine/work-budget.ts';
import { Inspection } from './inspection.ts';
import { Repair } from './repair/repair.ts';

/** What `FormatDriver.check` says. */
export function* checkQcow2(context: CheckContext): Step<CheckReport> {
  const { storage, repair, limits } = context;
  let first = yield* Inspection.run(context);
  if (first.external) yield* lookAtDataFile(context, first);
  if (repair !== undefined && !isWritable(storage)) throw readOnly(storage.name);
  if (context.asQemu && first.findings.listed.length > 0) {
    const report = yield* reportAsQemu(context);
    if (report !== undefined) return report;
    // It may have mended some of it.
    if (repair !== undefined) first = yield* Inspection.run(context);
  }
  if (repair === undefined || !isWritable(storage)) return reportOf(first, first);
  const warn = context.warn.bind(context);
  const onProgress = context.onProgress.bind(context);
  const left = yield* new Repair({ storage, limits, repair, warn, onProgress }).run(first);
  const { findings, snapshots } = left;
  if (findings.listed.length === 0 || snapshots.list.length === 0) return reportOf(first, left);
  // Tables of snapshots that a repair leaves as they are it has not gone into; a check does.
  const counted = yield* Inspection.run({ storage, limits, repair: undefined, onProgress });
  return reportOf(first, left, counted);
}

/** @returns undefined for an image in which following each reference would take too long */
function* reportAsQemu(context: CheckContext): Step<CheckReport | undefined> {
  const result = yield* genuineUnlessTooMuch(context);
  if (result === undefined) return undefined;
  const { transcript, imageEndOffset, totalClusters, failure } = result;
  const { lines, ...counts } = transcript;
  return {
    format: 'qcow2',
    ...counts,
    imageEndOffset,
    totalClusters,
    findings: [],
    findingsOmitted: 0,
    genuine: { lines, failure },
  };
}

function* genuineUnlessTooMuch(context: CheckContext): Step<GenuineResult | undefined> {
  try {
    return yield* genuineCheck(context);
  } catch (error) {
    if (error instanceof TooMuchWork) return undefined;
    throw error;
  }
}

/** The image is in order without it, but of little use. */
function* lookAtDataFile(context: CheckContext, { header, dataFileName }: Inspection): Step<void> {
  try {
    const file = yield* openDataFile(context, header, dataFileName);
    if (file !== undefined) yield* closeStorage(file);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    context.warn({
      detail: 'qcow2.check.data-file',
      message: `The external data file cannot be opened: ${error.message}`,
    });
  }
}

/** @param counted as whoever does not repair sees what is left */
function reportOf(first: Inspection, last: Inspection, counted = last): CheckReport {
  const { checkErrors, corruptions, leaks, omitted } = counted.findings;
  return {
    format: 'qcow2',
    checkErrors,
    corruptions,
    corruptionsFixed: Math.max(0, first.findings.corruptions - last.findings.corruptions),
    leaks,
    leaksFixed: Math.max(0, first.findings.leaks - last.findings.leaks),
    ...counted.counts,
    findings: mergeFindings(first.findings.listed, last.findings.listed),
    findingsOmitted: Math.max(omitted, first.findings.omitted, last.findings.omitted),
  };
}

/** What is no longer found is repaired; what was not found before comes behind. */
function mergeFindings(
  before: readonly CheckFinding[],
  after: readonly CheckFinding[],
): CheckFinding[] {
  if (before === after) return [...after];
  const left = new Map(after.map((finding) => [keyOf(finding), finding]));
  const merged = before.map((finding) => {
    const key = keyOf(finding);
    const repaired = !left.has(key);
    left.delete(key);
    return { ...finding, repaired };
  });
  return [...merged, ...left.values()];
}

function keyOf({ kind, detail, hostOffset, guestOffset }: CheckFinding): string {
  return `${kind} ${detail} ${hostOffset} ${guestOffset}`;
}

function readOnly(path: string): DiskError {
  return new DiskError('read-only', 'qcow2.storage-read-only', 'The image can only be read', {
    path,
    hint: 'Check it without repairing it.',
  });
}
