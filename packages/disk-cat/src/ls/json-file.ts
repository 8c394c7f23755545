/** A listed file as JSON. */
import { octalMode } from '../guest/file-modes.ts';
import { isoTime } from '../guest/times.ts';
import type { ChecksumAlgorithm } from './checksum.ts';
import type { ListedFile } from './listing.ts';

/** The fields are described in the README; what does not apply to a file is left out. */
export function fileToJson(
  { path, stats, target, checksum }: ListedFile,
  device: string,
  algorithm: ChecksumAlgorithm | undefined,
): Record<string, unknown> {
  const { birthTime, device: rdev, projectId, flags } = stats;
  return {
    path,
    type: stats.type,
    mode: octalMode(stats),
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: stats.sizeBytes,
    allocatedBytes: stats.allocatedBytes,
    linkCount: stats.linkCount,
    inode: stats.inode,
    filesystem: device,
    accessTime: isoTime(stats.accessTime),
    modifyTime: isoTime(stats.modifyTime),
    changeTime: isoTime(stats.changeTime),
    ...(birthTime === undefined ? {} : { birthTime: isoTime(birthTime) }),
    ...(target === undefined ? {} : { target }),
    ...(rdev === undefined ? {} : { device: rdev }),
    ...(projectId === undefined ? {} : { projectId }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(checksum === undefined ? {} : { checksum: { algorithm, value: checksum } }),
  };
}
