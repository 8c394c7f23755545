/** What has to be true of an image that a crash has left. */
import { DiskError } from '@diskfile/bytes';
import { firstDifference } from '../model/mismatch.ts';
import { noise } from '../model/noise.ts';
import type { Subject, Verdict } from '../subject/subject.ts';
import type { SubjectFiles } from '../subject/subject-files.ts';
import type { Expectation } from './expectation.ts';
import { findDisk, type FoundDisk } from './found-disk.ts';

const WRITTEN_AFTERWARDS_BYTES = 3000;

/** @returns which promise is broken; undefined when all are kept. The files are changed. */
export function brokenPromise(
  subject: Subject,
  files: SubjectFiles,
  expectation: Expectation,
): string | undefined {
  try {
    if (!expectNoErrors(subject, files).isDirty) expectCheckClean(subject, files);
    const found = findDisk(subject, files);
    return expectation.fault(found) ?? faultOfGoingOn(subject, files, found);
  } catch (error) {
    if (error instanceof DiskError) return `${error.detail}: ${error.message}`;
    if (error instanceof Error) return error.stack ?? error.message;
    throw error;
  }
}

function expectNoErrors(subject: Subject, files: SubjectFiles): Verdict {
  const verdict = subject.verify(files);
  if (verdict.errors.length > 0) throw new Error(`damaged: ${verdict.errors.join('; ')}`);
  return verdict;
}

function expectCheckClean(subject: Subject, files: SubjectFiles): void {
  const report = subject.check(files);
  if (report === undefined) return;
  const { checkErrors, corruptions, findings } = report;
  // Formats count as a corruption what this calls a leak where their genuine tool does.
  const isHarmless = findings.length > 0 && findings.every(({ kind }) => kind === 'leak');
  if (checkErrors === 0 && (corruptions === 0 || isHarmless)) return;
  throw new Error(`its check says: ${findings.map(({ message }) => message).join('; ')}`);
}

/** Writes to the disk as it was found: that has to work, and change nothing else. */
function faultOfGoingOn(
  subject: Subject,
  files: SubjectFiles,
  { content, snapshots }: FoundDisk,
): string | undefined {
  const disk = subject.open(files);
  const bytes = noise(401, Math.min(WRITTEN_AFTERWARDS_BYTES, disk.sizeBytes));
  disk.writeSync(bytes, 0);
  disk.closeSync();
  content.set(bytes);
  if (expectNoErrors(subject, files).isDirty) return 'it stays dirty';
  expectCheckClean(subject, files);
  const after = findDisk(subject, files);
  const at = firstDifference(after.content, content);
  if (at !== -1) return `after writing to it, it differs at ${at}`;
  const isKept = snapshots.every(
    (snapshot, index) => firstDifference(snapshot.content, after.snapshots[index]!.content) === -1,
  );
  return isKept ? undefined : 'after writing to it, a snapshot differs';
}
