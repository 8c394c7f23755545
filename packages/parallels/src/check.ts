/** Checks an image, and repairs it. */
import { DiskError } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckFinding,
  type CheckReport,
  flushStorage,
  isWritable,
  readBytes,
  type Step,
  truncateStorage,
  type WritableStorage,
} from '@diskfile/core';
import { HEAD_BYTES, isDescriptor } from './bundle/signature.ts';
import { type ParallelsHeader, parseHeader } from './header.ts';
import { setInUse } from './in-use.ts';
import { Inspection } from './inspection.ts';
import { IN_USE } from './structs.ts';

/** What `FormatDriver.check` says. */
export function* checkParallels(context: CheckContext): Step<CheckReport> {
  const { storage, repair } = context;
  const onProgress = context.onProgress.bind(context);
  const inspect = function* (mend?: WritableStorage): Step<Inspection> {
    const head = yield* readBytes(storage, 0, HEAD_BYTES);
    if (isDescriptor(head)) throw severalFiles();
    const header = parseHeader(head, storage.sizeBytes, context.limits);
    return yield* Inspection.run(storage, header, { mend, onProgress });
  };
  if (repair === undefined) {
    const found = yield* inspect();
    return reportOf(found, found);
  }
  if (!isWritable(storage)) throw readOnly(storage.name);
  const found = yield* inspect(repair === 'all' ? storage : undefined);
  // What is left of a cluster that was cut off is as long as the others, and ends in zeros.
  if (repair === 'all' && storage.sizeBytes < found.endOffset) {
    yield* truncateStorage(storage, found.endOffset);
  }
  yield* cutOff(storage, found);
  // QEMU counts the mark among the errors until it closes the image, which takes it away.
  const beforeClosing = context.asQemu && repair === 'leaks' ? yield* inspect() : undefined;
  if (found.header.inUse === IN_USE.open) {
    yield* setInUse(storage, IN_USE.closedWithoutExtension);
  }
  return reportOf(found, beforeClosing ?? (yield* inspect()));
}

/** Only what then is nobody's is cut off, and only after that the image counts as closed. */
function* cutOff(storage: WritableStorage, found: Inspection): Step<void> {
  yield* flushStorage(storage);
  if (found.leakedBytes === 0 || !canCut(found.header)) return;
  yield* truncateStorage(storage, found.endOffset);
  yield* flushStorage(storage);
}

/** What extensions keep lies anywhere. */
function canCut({ extensionOffset }: ParallelsHeader): boolean {
  return extensionOffset === 0;
}

function reportOf(first: Inspection, last: Inspection): CheckReport {
  const { header, findings } = last;
  const left = new Set(findings.listed.map(keyOf));
  const found = first.findings.listed.map((finding) =>
    left.has(keyOf(finding)) ? finding : repairedOf(finding),
  );
  const known = new Set(found.map(keyOf));
  return {
    format: 'parallels',
    checkErrors: 0,
    corruptions: last.corruptions,
    corruptionsFixed: first.corruptions - last.corruptions,
    leaks: last.leaks,
    leaksFixed: Math.max(0, first.leaks - last.leaks),
    imageEndOffset: last.endOffset,
    totalClusters: header.tableEntries,
    allocatedClusters: last.allocatedClusters,
    compressedClusters: 0,
    fragmentedClusters: last.fragmentedClusters,
    findings: [...found, ...findings.listed.filter((finding) => !known.has(keyOf(finding)))],
    findingsOmitted: Math.max(first.findings.omitted, findings.omitted),
  };
}

function repairedOf({ genuineText, ...finding }: CheckFinding): CheckFinding {
  const text = genuineText?.replace('ERROR', 'Repairing');
  return { ...finding, ...(text === undefined ? {} : { genuineText: text }), repaired: true };
}

function keyOf({ detail, hostOffset }: CheckFinding): string {
  return `${detail} ${hostOffset}`;
}

function readOnly(path: string): DiskError {
  return new DiskError('read-only', 'parallels.storage-read-only', 'The image can only be read', {
    path,
    hint: 'Check it without repairing it.',
  });
}

function severalFiles(): DiskError {
  return new DiskError(
    'unsupported',
    'parallels.check-bundle',
    'A disk of several files is checked file by file',
    { hint: 'Check each of the .hds files beside the descriptor.' },
  );
}
