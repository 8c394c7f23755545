/** Files, directories and links whose bytes are in their inode ("Inline Data"). */
import type { Inode } from './inode.ts';
import { I_BLOCK_BYTES } from '../structs.ts';
import type { VolumeParts } from '../volume-parts.ts';
import { inlineRemainder } from '../attributes/xattr.ts';

/**
 * The bytes that an inline file holds: `i_block`, then the attribute `system.data`. They may be
 * fewer than its size: mke2fs leaves zeros at the end out, and the kernel reads zeros there.
 */
export function inlineContent(inode: Inode, parts: VolumeParts): Uint8Array {
  const { sizeBytes, blockField } = inode;
  if (sizeBytes <= I_BLOCK_BYTES) return blockField.slice(0, sizeBytes);
  const remainder = inlineRemainder(inode, parts).subarray(0, sizeBytes - I_BLOCK_BYTES);
  const content = new Uint8Array(I_BLOCK_BYTES + remainder.length);
  content.set(blockField);
  content.set(remainder, I_BLOCK_BYTES);
  return content;
}

/** The two runs of directory entries of an inline directory; they count as a block each. */
export function inlineDirectoryRuns(inode: Inode, parts: VolumeParts): Uint8Array[] {
  // The first four bytes name the parent directory.
  return [inode.blockField.subarray(4), inlineRemainder(inode, parts)];
}
