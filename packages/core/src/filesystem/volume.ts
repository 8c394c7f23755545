/**
 * What a filesystem is to the rest of the project: inodes, and maps of where their bytes live.
 * Path resolution, symbolic links, mounts, reading and streaming are written once on top of this,
 * in `file-system.ts`.
 */
import type { DiskWarning } from '../format/disk-warning.ts';
import type { ExtentMap } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import type { Step } from '../step.ts';
import type { ByteSource } from '../storage.ts';

export type FileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'socket'
  | 'unknown';

/** A moment in whole seconds since 1970 (negative before) and nanoseconds after that second. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface FileStats {
  readonly inode: number;
  readonly type: FileType;
  /** Permission bits with set-uid, set-gid and sticky: the low twelve bits of `st_mode`. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly sizeBytes: number;
  /** Bytes of the volume that the file takes, metadata blocks of its own included. */
  readonly allocatedBytes: number;
  readonly accessTime: Timestamp;
  readonly modifyTime: Timestamp;
  readonly changeTime: Timestamp;
  /** Creation time, where the filesystem keeps one. */
  readonly birthTime: Timestamp | undefined;
  /** Numbers of a device node. */
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly projectId: number | undefined;
  /** Names of the inode's attribute flags: `immutable`, `append-only`, `encrypted`, … */
  readonly flags: readonly string[];
}

export interface DirectoryEntry {
  /** Lone surrogates stand for bytes that are no UTF-8; see `encodeName` in `bytes`. */
  readonly name: string;
  readonly inode: number;
  /** `unknown` where the directory does not say; `stat` does. */
  readonly type: FileType;
}

/** Position in a directory; hands out its entries in batches, so that a huge one stays cheap. */
export interface DirectoryCursor {
  /** The next entries in the order of the disk, `.` and `..` left out; undefined at the end. */
  next(): Step<readonly DirectoryEntry[] | undefined>;
}

export interface VolumeUsage {
  readonly blockBytes: number;
  /** As `statfs(2)` counts them: filesystem overhead is not part of the total. */
  readonly totalBlocks: number;
  readonly freeBlocks: number;
  /** Free blocks for unprivileged users. */
  readonly availableBlocks: number;
  readonly totalInodes: number;
  readonly freeInodes: number;
  readonly maxNameBytes: number;
}

/** A mounted filesystem at the level of inodes. All offsets and counts have been bounded. */
export interface Volume {
  /** `ext2`, `ext3`, `ext4`, … */
  readonly type: string;
  readonly label: string;
  /** Lower-case text; empty where the filesystem has none. */
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly rootInode: number;
  /** Noticed so far; grows while the volume is read (checksum mismatches). */
  readonly warnings: readonly DiskWarning[];
  usage(): VolumeUsage;
  stat(inode: number): Step<FileStats>;
  /** @throws DiskError `invalid-argument` (`filesystem.not-a-directory`) for other inodes. */
  openDirectory(inode: number): Step<DirectoryCursor>;
  /** Inode of a name in a directory, by the directory's own rules (case folding included). */
  lookup(directoryInode: number, name: string): Step<number | undefined>;
  /** Target of a symbolic link. */
  readlink(inode: number): Step<string>;
  /** Map of a regular file; bytes that are held in metadata live in a memory storage. */
  openFile(inode: number): Step<ExtentMap>;
  /** Extended attributes by full name (`user.mime`, `system.posix_acl_access`, …), raw values. */
  xattrs(inode: number): Step<ReadonlyMap<string, Uint8Array>>;
  /** What only this filesystem has, for `disk-info`; everything in it can become JSON. */
  details(): Readonly<Record<string, unknown>>;
}

export interface VolumeContext {
  /** The disk or partition that holds the filesystem. */
  readonly source: ByteSource;
  readonly limits: Limits;
  /** True to make checksum mismatches errors instead of warnings. */
  readonly strict: boolean;
}

/** A filesystem that can be recognised and mounted. */
export interface FileSystemDriver {
  readonly id: string;
  /** Whether the first {@link PROBE_HEAD_BYTES} of a source carry this filesystem. Never throws. */
  probe(head: Uint8Array): boolean;
  /** Reads what is needed to serve inodes; journals are replayed in memory. */
  mount(context: VolumeContext): Step<Volume>;
}
