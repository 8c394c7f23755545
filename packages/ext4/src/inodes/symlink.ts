/** Targets of symbolic links. */
import { decodeFixedText } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { INCOMPAT } from '../features.ts';
import { hasFlag, INODE_FLAG } from './inode-flags.ts';
import { inlineContent } from './inline-data.ts';
import type { Inode } from './inode.ts';
import { I_BLOCK_BYTES } from '../structs.ts';
import type { VolumeParts } from '../volume-parts.ts';
import { readWholeFile } from '../blocks/whole-file.ts';

/** @param inode a symbolic link that is not encrypted */
export function* readTarget(inode: Inode, parts: VolumeParts): Step<string> {
  if (hasFlag(inode.flags, INODE_FLAG.INLINE_DATA)) {
    return decodeFixedText(inlineContent(inode, parts));
  }
  if (isFast(inode, parts)) return decodeFixedText(inode.blockField.subarray(0, inode.sizeBytes));
  if (inode.sizeBytes > parts.superblock.blockBytes) {
    throw parts.report.corrupt(
      'symlink-size',
      `Symbolic link ${inode.number} claims a target of ${inode.sizeBytes} bytes; one block is the most`,
    );
  }
  return decodeFixedText(yield* readWholeFile(inode, parts));
}

/**
 * Whether `i_block` holds the target itself ("Symbolic Links"): a short one, in an inode without
 * blocks other than that of its attributes.
 */
function isFast(inode: Inode, { superblock }: VolumeParts): boolean {
  if (inode.sizeBytes >= I_BLOCK_BYTES || hasFlag(inode.flags, INODE_FLAG.EXTENTS)) return false;
  if (superblock.features.hasIncompat(INCOMPAT.EA_INODE)) return true;
  const clusterBytes = superblock.blockBytes * superblock.blocksPerCluster;
  const attributeBytes = inode.attributeBlock === 0 ? 0 : clusterBytes;
  return inode.allocatedBytes <= attributeBytes;
}
