/**
 * The filesystems that diskfile knows, in the order in which they are probed. Apart from the disk
 * formats, because a worker thread that only reads disks starts faster without them.
 */
import type { FileSystemDriver } from '@diskfile/core';
import { ext4Driver } from '@diskfile/ext4';

export const ALL_FILE_SYSTEMS: readonly FileSystemDriver[] = [ext4Driver];
