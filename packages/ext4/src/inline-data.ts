/** Files, directories and links whose bytes are in their inode ("Inline Data"). */
import type { Inode } from './inode.ts';
import { I_BLOCK_BYTES } from './structs.ts';
import type { VolumeParts } from './volume-parts.ts';
import { inlineRemainder } from './xattr.ts';

/** The content of an inline file: `i_block`, then the attribute `system.data`. */
export function inlineContent(inode: Inode, parts: VolumeParts): Uint8Array {
  const remainder = inlineRemainder(inode, parts);
  const { sizeBytes } = inode;
  if (sizeBytes > I_BLOCK_BYTES + remainder.length) {
    throw parts.report.corrupt(
      'inline-data',
      `Inode ${inode.number} claims ${sizeBytes} bytes of inline data, but holds ` +
        `${I_BLOCK_BYTES + remainder.length}`,
    );
  }
  const content = new Uint8Array(sizeBytes);
  content.set(inode.blockField.subarray(0, sizeBytes));
  content.set(
    remainder.subarray(0, Math.max(0, sizeBytes - I_BLOCK_BYTES)),
    Math.min(sizeBytes, I_BLOCK_BYTES),
  );
  return content;
}

/** The two runs of directory entries of an inline directory; they count as a block each. */
export function inlineDirectoryRuns(inode: Inode, parts: VolumeParts): Uint8Array[] {
  // The first four bytes name the parent directory.
  return [inode.blockField.subarray(4), inlineRemainder(inode, parts)];
}
