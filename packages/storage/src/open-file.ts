/** Opening and creating files as storages. */
import fs from 'node:fs';
import { isAbsolute, sep } from 'node:path';
import { promisify } from 'node:util';
import { DiskError } from '@diskfile/bytes';
import { hostCall, type Step, type WritableStorage } from '@diskfile/core';
import { blockDeviceSize, deviceName } from './block-device.ts';
import { FileStorage } from './file-storage.ts';
import { hostError } from './host-error.ts';
import {
  type HostFileKind,
  type HostFiles,
  type HostFileStatus,
  nodeHostFiles,
  type OpenedFile,
} from './host-files.ts';
import { type ImageLocking, type LockedFile, lockImage } from './image-lock.ts';
import { WritableFileStorage } from './writable-file-storage.ts';

const ftruncateAsync = promisify(fs.ftruncate);

interface NamingOptions {
  /** What errors call the file; by default its path. */
  readonly name?: string;
  /** What {@link FileStorage.hostPath} is to be; by default the path, made absolute. */
  readonly hostPath?: string;
  /** Locks the file as QEMU locks images; by default nobody is kept off it. */
  readonly locking?: ImageLocking;
  readonly files?: HostFiles;
}

export interface OpenFileOptions extends NamingOptions {
  /** Whether to open it for writing as well; a file that is missing is never created. */
  readonly writable?: boolean;
  readonly kinds?: readonly HostFileKind[];
  /** Whether a device that holds nothing, such as /dev/null, is a file of no bytes. */
  readonly emptyDevices?: boolean;
  /** False to refuse a path whose last component is a symbolic link. */
  readonly followSymlink?: boolean;
  /** Throws unless the file may be used; asked once it is open, where the host can tell its place. */
  readonly judge?: (truePath: string) => void;
}

export interface CreateFileOptions extends NamingOptions {
  /** True, the default, to refuse a name that is taken; false to empty the file that is there. */
  readonly exclusive?: boolean;
  /** As for {@link HostFiles.create}. */
  readonly mode?: number;
  /** False where nobody sees the file before all of it is flushed by other means. */
  readonly flushes?: boolean;
}

const FILE_OR_DEVICE: readonly HostFileKind[] = ['regular file', 'block device'];

/**
 * Opens a regular file or block device. Read-only, its size is fixed now: bytes appended later are
 * not seen, and bytes that vanish later make reads of them fail.
 * @throws DiskError `not-found`, `denied`, `read-only`, `busy` when another process uses it in a
 *   way that does not go with this one, or `invalid-argument` for what is no file or block device.
 */
export function openFileStorage(
  path: string,
  options: OpenFileOptions & { readonly writable: true },
): Step<WritableFileStorage>;
export function openFileStorage(path: string, options?: OpenFileOptions): Step<FileStorage>;
export function* openFileStorage(path: string, options: OpenFileOptions = {}): Step<FileStorage> {
  const { name = path, kinds = FILE_OR_DEVICE, followSymlink = true, writable = false } = options;
  const { files = nodeHostFiles, hostPath = absolutePath(path), locking } = options;
  // Looked at before it is opened, because opening a device or FIFO can itself have effects.
  const expected = yield* files.status(path);
  const isEmpty = options.emptyDevices === true && isEmptyDevice(expected);
  if (!isEmpty) refuseOtherKinds(expected, kinds, name);
  const opened = yield* files.open(path, { followSymlink, writable });
  try {
    const { fd, status } = opened;
    refuseOtherFile(expected, status, name);
    yield* judgePlace(fd, files, options.judge);
    const current =
      locking === undefined
        ? status
        : yield* lockCurrent(path, { fd, name, writable, status }, { locking, files });
    const { deviceNumber } = current;
    const sizeBytes =
      current.kind === 'block device'
        ? yield* blockDeviceSize({ fd, path: name, deviceNumber })
        : current.sizeBytes;
    const identity = { name, hostPath, sizeBytes };
    const file = { fd, status: current };
    // What keeps nothing has nothing to make durable, and says so with an error.
    return writable
      ? new WritableFileStorage(file, identity, !isEmpty)
      : new FileStorage(file, identity);
  } catch (error) {
    fs.closeSync(opened.fd);
    throw error;
  }
}

/** A directory of the path may have been replaced by a link since the path was looked at. */
function* judgePlace(fd: number, files: HostFiles, judge: OpenFileOptions['judge']): Step<void> {
  const truePath = judge === undefined ? undefined : yield* files.openedPath(fd);
  if (truePath !== undefined) judge!(truePath);
}

/**
 * Creates an empty file for reading and writing.
 * @throws DiskError `invalid-argument` when the name is taken, `denied`, `no-space`, `busy`
 */
export function* createFileStorage(
  path: string,
  options: CreateFileOptions = {},
): Step<WritableStorage> {
  const { name = path, hostPath = absolutePath(path), exclusive = true, locking } = options;
  const { files = nodeHostFiles, mode, flushes = true } = options;
  if (!exclusive) yield* refuseOtherKindsIfThere(path, files, name);
  const opened = yield* files.create(path, { exclusive, ...(mode === undefined ? {} : { mode }) });
  try {
    refuseOtherKinds(opened.status, ['regular file'], name);
    // Locked before it is emptied: it may be the disk of a machine that runs.
    const file = { ...opened, name, writable: true };
    const current =
      locking === undefined ? opened.status : yield* lockCurrent(path, file, { locking, files });
    if (current.sizeBytes > 0) yield* emptyFile(opened, name);
    return new WritableFileStorage(opened, { name, hostPath, sizeBytes: 0 }, flushes);
  } catch (error) {
    fs.closeSync(opened.fd);
    throw error;
  }
}

/**
 * Locks a file that has been opened. Whoever had it locked until now may have made it longer since
 * then, or given its name to another file: what is locked would then be the base of that one, or gone.
 * @returns what the file is from now on
 */
function* lockCurrent(
  path: string,
  { status, ...file }: LockedFile & { readonly status: HostFileStatus },
  { locking, files }: { readonly locking: ImageLocking; readonly files: HostFiles },
): Step<HostFileStatus> {
  lockImage(file, locking);
  const current = yield* files.status(path);
  refuseOtherFile(current, status, file.name);
  return current;
}

function* refuseOtherKindsIfThere(path: string, files: HostFiles, name: string): Step<void> {
  let there: HostFileStatus;
  try {
    there = yield* files.status(path);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'not-found') return;
    throw error;
  }
  refuseOtherKinds(there, ['regular file'], name);
}

function* emptyFile({ fd }: OpenedFile, name: string): Step<void> {
  try {
    yield* hostCall(
      () => fs.ftruncateSync(fd, 0),
      () => ftruncateAsync(fd, 0),
    );
  } catch (cause) {
    throw hostError(cause, 'create', name);
  }
}

/** Joined only, not normalised: what `..` after a symbolic link means is for the host to say. */
function absolutePath(path: string): string {
  if (isAbsolute(path)) return path;
  try {
    return process.cwd() + sep + path;
  } catch {
    // The directory is gone, and so is all that lay in it: the host says that of the path.
    return path;
  }
}

function refuseOtherKinds(
  { kind }: HostFileStatus,
  kinds: readonly HostFileKind[],
  name: string,
): void {
  if (kinds.includes(kind)) return;
  throw new DiskError(
    'invalid-argument',
    'storage.not-a-file',
    `${name} is a ${kind}, which cannot be a disk image`,
    { op: 'open', path: name, layer: 'storage', hint: `Give the path of a ${kinds.join(' or ')}.` },
  );
}

/** By their numbers on Linux: null, and zero, which never ends but has no size. */
const EMPTY_DEVICES: ReadonlySet<string> = new Set(['1:3', '1:5']);

function isEmptyDevice({ kind, deviceNumber }: HostFileStatus): boolean {
  if (process.platform !== 'linux' || kind !== 'character device') return false;
  return EMPTY_DEVICES.has(deviceName(deviceNumber));
}

function refuseOtherFile(expected: HostFileStatus, actual: HostFileStatus, name: string): void {
  if (expected.identity === actual.identity && expected.kind === actual.kind) return;
  throw new DiskError(
    'busy',
    'storage.replaced',
    `${name} was replaced by another file while it was being opened`,
    { op: 'open', path: name, layer: 'storage', hint: 'Try again.' },
  );
}
