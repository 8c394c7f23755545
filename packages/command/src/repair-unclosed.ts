/**
 * What QEMU does with a qcow2 image that was not closed when it opens it for writing: it repairs it,
 * and tells what. The library repairs such images as well, in its own way and without a word.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { hasAnyBit } from '@diskfile/bytes';
import { checkDiskFileSync, DiskError, type DiskFileCheckReport } from 'diskfile';

/** Fields of the header (specification, "Header"); of the features, the last byte is looked at. */
const MAGIC = 'QFI\u00fb';
const VERSION_AT = 7;
const INCOMPATIBLE_FEATURES_END = 79;
const DIRTY = 1;
const CORRUPT = 2;

const REPAIR_HINT = 'Repair it with "check -r all".';

/** Any file may be named: only the image itself is repaired. */
const HOW = {
  format: 'qcow2',
  repair: 'all',
  asQemu: true,
  forOpening: true,
  gate: { allow: 'any' },
} as const;

/**
 * Repairs the image at `path` if it has to be.
 * @param format what the user says that it is
 * @param tell is given each line that QEMU prints
 * @throws DiskError `corrupt` for an image that stays as it is because it cannot be repaired
 */
export function repairUnclosed(
  path: string,
  format: string | undefined,
  tell: (line: string) => void,
): void {
  if ((format !== undefined && format !== 'qcow2') || !isUnclosed(path)) return;
  const report = repair(path);
  for (const { text } of report?.genuine?.lines ?? []) tell(text);
  const failure = report?.genuine?.failure ?? (report?.checkErrors ? 'EIO' : undefined);
  if (failure === undefined) return;
  throw new DiskError(
    'corrupt',
    'qcow2.not-repaired',
    `The image was not closed properly, and cannot be repaired: ${failure}`,
    { path, hint: REPAIR_HINT },
  );
}

function repair(path: string): DiskFileCheckReport | undefined {
  try {
    return checkDiskFileSync(path, HOW);
  } catch (error) {
    // Opening the image, which comes next, meets the same and tells of it.
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}

function isUnclosed(path: string): boolean {
  const head = Buffer.alloc(INCOMPATIBLE_FEATURES_END + 1);
  try {
    // Opening a pipe would wait for whoever writes to it.
    if (!statSync(path).isFile()) return false;
    const fd = openSync(path, 'r');
    try {
      if (readSync(fd, head, 0, head.length, 0) < head.length) return false;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
  const features = head[INCOMPATIBLE_FEATURES_END]!;
  const isQcow2 = head.toString('latin1', 0, 4) === MAGIC && head[VERSION_AT] === 3;
  return isQcow2 && hasAnyBit(features, DIRTY) && !hasAnyBit(features, CORRUPT);
}
