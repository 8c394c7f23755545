/**
 * What QEMU does with a qcow2 image that was not closed when it opens it for writing: it repairs it,
 * and tells what. The library repairs such images as well, in its own way and without a word.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { hasAnyBit } from '@diskfile/bytes';
import { checkDiskFileSync, DiskError } from 'diskfile';

/** Fields of the header (specification, "Header"); of the features, the last byte is looked at. */
const MAGIC = 'QFI\u00fb';
const VERSION_AT = 7;
const INCOMPATIBLE_FEATURES_END = 79;
const DIRTY = 1;
const CORRUPT = 2;

/**
 * Repairs the image at `path` if it has to be.
 * @param format what the user says that it is
 * @param tell is given each line that QEMU prints
 */
export function repairUnclosed(
  path: string,
  format: string | undefined,
  tell: (line: string) => void,
): void {
  if ((format !== undefined && format !== 'qcow2') || !isUnclosed(path)) return;
  try {
    const how = { format: 'qcow2', repair: 'all', asQemu: true, gate: { allow: 'any' } } as const;
    for (const { text } of checkDiskFileSync(path, how).genuine?.lines ?? []) tell(text);
  } catch (error) {
    // Opening the image, which comes next, meets the same and tells of it.
    if (!(error instanceof DiskError)) throw error;
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
