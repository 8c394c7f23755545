/** Small files that the filesystem itself needs, read at once. */
import { DEFAULT_LIMITS, MappedReader, type Step } from '@diskfile/core';
import { FileMap } from './file-map.ts';
import type { Inode } from '../inodes/inode.ts';
import { openBlockMap, type VolumeParts } from '../volume-parts.ts';

/** All bytes of a file with blocks. The caller has bounded its size. */
export function* readWholeFile(inode: Inode, parts: VolumeParts): Step<Uint8Array> {
  const map = new FileMap(openBlockMap(inode, parts), inode.sizeBytes, parts.reader);
  const bytes = new Uint8Array(inode.sizeBytes);
  yield* new MappedReader([map], DEFAULT_LIMITS).readStep(bytes, 0);
  return bytes;
}
