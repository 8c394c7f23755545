/**
 * Keeps two processes from changing one image, in the way QEMU does, so that a running QEMU and
 * diskfile refuse each other. Open-file-description locks on single bytes of the file tell what a
 * process does with it and what it does not put up with (QEMU manual, "Disk image file locking"):
 *
 * - byte 100 + p is locked by whoever uses permission p;
 * - byte 200 + p is locked by whoever lets nobody else use permission p.
 *
 * All locks are shared ones. A process takes those of its own and then asks whether anybody holds
 * one of the opposite kind; nothing is ever taken exclusively.
 */
import fs from 'node:fs';
import { DiskError } from '@diskfile/bytes';
import type { DiskWarning } from '@diskfile/core';
import { deviceName } from './block-device.ts';
import { nativeCalls } from './native-calls.ts';

export interface ImageLocking {
  /** Reads the image although somebody may be writing it. Not for writers. */
  readonly forceShare: boolean;
  /** Hears of somebody else's use that cannot or shall not be ruled out. */
  warn(warning: DiskWarning): void;
}

/** An opened file that is to be used as an image. */
export interface LockedFile {
  readonly fd: number;
  readonly name: string;
  readonly writable: boolean;
}

/** Permissions: to read consistent content, to write, to change the size. */
const READ = 0;
const WRITE = 1;
const RESIZE = 3;
const used = (permission: number): number => 100 + permission;
const unshared = (permission: number): number => 200 + permission;

/** Bytes that a process locks, and those that nobody else may have locked. */
interface LockSet {
  readonly own: readonly number[];
  readonly conflicting: readonly number[];
}

const READER: LockSet = {
  own: [used(READ), unshared(WRITE), unshared(RESIZE)],
  conflicting: [unshared(READ), used(WRITE), used(RESIZE)],
};
const WRITER: LockSet = {
  own: [used(READ), used(WRITE), used(RESIZE), unshared(WRITE), unshared(RESIZE)],
  conflicting: [unshared(READ), unshared(WRITE), unshared(RESIZE), used(WRITE), used(RESIZE)],
};

/** fcntl(2) of Linux: commands, lock types, and the layout of its `struct flock`. */
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;
const FLOCK_BYTES = 32;
const FLOCK_START = 8;
const FLOCK_LENGTH = 16;

/**
 * Locks an image for as long as its file is open. Where the host has no such locks, and for who
 * shares by force, what /proc/locks lists is looked through instead, and a warning given.
 * @throws DiskError `busy` when another process uses the image in a way that does not go with this
 */
export function lockImage(file: LockedFile, locking: ImageLocking): void {
  const { own, conflicting } = file.writable ? WRITER : READER;
  if (locking.forceShare && !file.writable) {
    // For a mere warning the list will do; loading the native package takes far longer.
    if (isListed(file.fd, conflicting)) locking.warn(inUse(file));
    return;
  }
  const taken = takeShared(file.fd, own);
  if (taken === 'unavailable') {
    if (isListed(file.fd, conflicting)) locking.warn(inUse(file));
    return;
  }
  const held =
    taken === 'refused' ? 'exclusively' : conflicting.find((at) => isLocked(file.fd, at));
  if (held === undefined) return;
  setLocks(file.fd, F_UNLCK, own);
  throw busy(file, held === used(WRITE) || held === used(RESIZE));
}

/** Whether locks can be taken and seen on this host. Loads the optional package. */
export function canLockImages(): boolean {
  return nativeCalls()?.fcntl !== undefined;
}

type Taken = 'taken' | 'refused' | 'unavailable';

function takeShared(fd: number, bytes: readonly number[]): Taken {
  const error = setLocks(fd, F_RDLCK, bytes);
  if (error === undefined) return 'taken';
  setLocks(fd, F_UNLCK, bytes);
  // Anything else says that this file system, or this host, has no such locks.
  return error === 'EAGAIN' || error === 'EACCES' ? 'refused' : 'unavailable';
}

/** Sets all the locks to one type; the name of the error when the host refuses one. */
function setLocks(fd: number, type: number, bytes: readonly number[]): string | undefined {
  const calls = nativeCalls();
  if (calls?.fcntl === undefined) return 'ENOSYS';
  for (const at of bytes) {
    if (calls.fcntl(fd, F_OFD_SETLK, flock(type, at)) !== 0) return calls.lastError();
  }
  return undefined;
}

/** Whether somebody else holds a lock on a byte. A host that cannot tell counts as no. */
function isLocked(fd: number, at: number): boolean {
  const question = flock(F_WRLCK, at);
  if (nativeCalls()?.fcntl?.(fd, F_OFD_GETLK, question) !== 0) return false;
  return new Int16Array(question.buffer)[0] !== F_UNLCK;
}

/** A `struct flock` for one byte counted from the start of the file. */
function flock(type: number, at: number): Uint8Array {
  const bytes = new Uint8Array(FLOCK_BYTES);
  new Int16Array(bytes.buffer)[0] = type;
  const numbers = new BigInt64Array(bytes.buffer);
  numbers[FLOCK_START / 8] = BigInt(at);
  numbers[FLOCK_LENGTH / 8] = 1n;
  return bytes;
}

/**
 * Whether /proc/locks shows a lock on one of the bytes. No descriptor of its own has any here: this
 * is asked before locks are taken, or where none can be.
 */
function isListed(fd: number, bytes: readonly number[]): boolean {
  let list: string;
  try {
    list = fs.readFileSync('/proc/locks', 'latin1');
  } catch {
    return false;
  }
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  return bytes.some((at) => isInLockList(list, { deviceNumber: Number(dev), inode: ino }, at));
}

/** Whether a list in the form of proc(5) has a lock of a file that covers the byte. */
export function isInLockList(
  list: string,
  file: { readonly deviceNumber: number; readonly inode: bigint },
  byte: number,
): boolean {
  const device = deviceName(file.deviceNumber)
    .split(':')
    .map((number) => Number(number).toString(16).padStart(2, '0'))
    .join(':');
  const id = `${device}:${file.inode}`;
  return list.split('\n').some((line) => {
    const lock = /^\d+: (?:OFDLCK|POSIX) .* (\S+) (\d+) (\d+|EOF)$/.exec(line);
    if (lock === null || lock[1] !== id) return false;
    return Number(lock[2]) <= byte && (lock[3] === 'EOF' || byte <= Number(lock[3]));
  });
}

function inUse({ name }: LockedFile): DiskWarning {
  return {
    detail: 'storage.in-use',
    message: `Another process uses ${name} and may change it meanwhile`,
  };
}

function busy({ name, writable }: LockedFile, isWritten: boolean): DiskError {
  const use = isWritten ? 'is writing' : 'is using';
  const read = writable ? '' : ', or read it with forceShare: true, which may give mixed content';
  return new DiskError('busy', 'storage.locked', `Somebody ${use} ${name} already`, {
    op: 'open',
    path: name,
    layer: 'storage',
    hint:
      'Close it first: it is open in another process, a running virtual machine perhaps, or ' +
      `elsewhere in this one${read}.`,
  });
}
