/** The filesystem driver: recognises ext2, ext3 and ext4 and mounts them. */
import { readU16le } from '@diskfile/bytes';
import type { FileSystemDriver } from '@diskfile/core';
import { mountVolume } from './mount.ts';
import { EXT4_SUPER_MAGIC, ext4_super_block, SUPERBLOCK_OFFSET } from './structs.ts';

const MAGIC_AT = SUPERBLOCK_OFFSET + ext4_super_block.offsetOf('s_magic');

export const ext4Driver: FileSystemDriver = {
  id: 'ext4',
  probe: (head) => head.length >= MAGIC_AT + 2 && readU16le(head, MAGIC_AT) === EXT4_SUPER_MAGIC,
  mount: mountVolume,
};
