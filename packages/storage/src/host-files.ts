/**
 * The few questions that storages and the gate ask the host's file system. They are gathered in one
 * interface so that a test can record what was asked, above all what was opened.
 */
import fs, { constants } from 'node:fs';
import { promisify } from 'node:util';
import { DiskError } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import { hostError } from './host-error.ts';

export type HostFileKind =
  | 'regular file'
  | 'block device'
  | 'directory'
  | 'character device'
  | 'FIFO'
  | 'socket'
  | 'symbolic link';

/** What the host says of a file. */
export interface HostFileStatus {
  readonly kind: HostFileKind;
  /** Equal for two names of the same file, and for all nodes of the same block device. */
  readonly identity: string;
  /** Zero for devices; see `blockDeviceSize`. */
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  /** Major and minor number of a device, packed as the host packs them. */
  readonly deviceNumber: number;
}

export interface OpenedFile {
  readonly fd: number;
  readonly status: HostFileStatus;
}

export interface HostFiles {
  /** The path with every symbolic link resolved. */
  realpath(path: string): Step<string>;
  /** Status of the file that a path leads to, without opening it. */
  status(path: string): Step<HostFileStatus>;
  /** Opens and never waits, not even for the writer of a FIFO; creates nothing. */
  open(path: string, options: HostOpenOptions): Step<OpenedFile>;
  /** Where an opened file truly is; undefined where the host cannot tell. */
  openedPath(fd: number): Step<string | undefined>;
  /** Makes a file, and opens it for reading and writing; leaves the content of an existing one. */
  create(path: string, options: HostCreateOptions): Step<OpenedFile>;
}

export interface HostOpenOptions {
  readonly followSymlink: boolean;
  /** Whether to open it for writing as well as for reading. */
  readonly writable: boolean;
}

export interface HostCreateOptions {
  /** Whether to fail when the name is taken. */
  readonly exclusive: boolean;
  /** Permission bits of a file that is made, before the process's mask; by default 644. */
  readonly mode?: number;
}

const openAsync = promisify(fs.open);
const fstatAsync = promisify(fs.fstat) as (
  fd: number,
  options: { bigint: true },
) => Promise<fs.BigIntStats>;

// Windows has none of these and needs none.
const NEVER_WAIT = (constants.O_NONBLOCK ?? 0) + (constants.O_NOCTTY ?? 0);
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
/** Before the process's mask: images are nobody else's to write. */
const CREATED_MODE = 0o644;

export const nodeHostFiles: HostFiles = {
  *realpath(path) {
    return yield* reporting('open', path, () =>
      hostCall(
        () => fs.realpathSync.native(path),
        () => fs.promises.realpath(path),
      ),
    );
  },

  *status(path) {
    const stats = yield* reporting('open', path, () =>
      hostCall(
        () => fs.statSync(path, { bigint: true }),
        () => fs.promises.stat(path, { bigint: true }),
      ),
    );
    return describe(stats, path);
  },

  *open(path, { followSymlink, writable }) {
    const access = writable ? constants.O_RDWR : constants.O_RDONLY;
    return yield* openWith(path, access + NEVER_WAIT + (followSymlink ? 0 : NO_FOLLOW), 'open');
  },

  // eslint-disable-next-line require-yield
  *openedPath(fd) {
    try {
      // Answered from memory: not worth a thread.
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return undefined;
    }
  },

  *create(path, { exclusive, mode }) {
    const flags = constants.O_RDWR + constants.O_CREAT + (exclusive ? constants.O_EXCL : 0);
    return yield* openWith(path, flags + NEVER_WAIT, 'create', mode);
  },
};

function* openWith(path: string, flags: number, op: string, mode = CREATED_MODE): Step<OpenedFile> {
  const fd = yield* reporting(op, path, () =>
    hostCall(
      () => fs.openSync(path, flags, mode),
      () => openAsync(path, flags, mode),
    ),
  );
  try {
    const stats = yield* reporting(op, path, () =>
      hostCall(
        () => fs.fstatSync(fd, { bigint: true }),
        () => fstatAsync(fd, { bigint: true }),
      ),
    );
    return { fd, status: describe(stats, path) };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function* reporting<T>(op: string, path: string, makeStep: () => Step<T>): Step<T> {
  try {
    return yield* makeStep();
  } catch (cause) {
    throw hostError(cause, op, path);
  }
}

function describe(stats: fs.BigIntStats, path: string): HostFileStatus {
  if (stats.size > Number.MAX_SAFE_INTEGER) {
    throw new DiskError(
      'unsupported',
      'storage.too-large',
      `${path} is ${stats.size} bytes long, above 2^53 - 1`,
      { op: 'open', path, layer: 'storage' },
    );
  }
  return {
    kind: kindOf(stats),
    identity: stats.isBlockDevice() ? `device ${stats.rdev}` : `${stats.dev}:${stats.ino}`,
    sizeBytes: Number(stats.size),
    // Windows does not count blocks.
    allocatedBytes: stats.blocks === undefined ? Number(stats.size) : Number(stats.blocks) * 512,
    deviceNumber: Number(stats.rdev),
  };
}

function kindOf(stats: fs.BigIntStats): HostFileKind {
  if (stats.isFile()) return 'regular file';
  if (stats.isBlockDevice()) return 'block device';
  if (stats.isDirectory()) return 'directory';
  if (stats.isCharacterDevice()) return 'character device';
  if (stats.isFIFO()) return 'FIFO';
  return stats.isSocket() ? 'socket' : 'symbolic link';
}
