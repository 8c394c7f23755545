/**
 * Giving space back to the host's file system and reserving it: fallocate(2). Both are quick, as
 * they change the file system's records alone, so they run on the spot in asynchronous code too.
 */
import { constants } from 'node:os';
import { nativeCalls } from './native-calls.ts';

/** Modes of fallocate(2). */
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;

/** What the host answers when it, or the file's file system, has no such thing. */
const NOT_THERE = new Set(['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'ENODEV', 'EINVAL']);

/** Turns a range into a hole; false where that cannot be done. @throws a host error */
export function punchHole(fd: number, offset: number, lengthBytes: number): boolean {
  return fallocate(fd, KEEP_SIZE + PUNCH_HOLE, offset, lengthBytes);
}

/**
 * Makes a range read as zeros and keeps its space, growing the file; false where that cannot be
 * done. @throws a host error
 */
export function zeroSpace(fd: number, offset: number, lengthBytes: number): boolean {
  return fallocate(fd, ZERO_RANGE, offset, lengthBytes);
}

/** Reserves a range, growing the file; false where that cannot be done. @throws a host error */
export function reserveSpace(fd: number, offset: number, lengthBytes: number): boolean {
  return fallocate(fd, 0, offset, lengthBytes);
}

function fallocate(fd: number, mode: number, offset: number, lengthBytes: number): boolean {
  const calls = nativeCalls();
  if (calls?.fallocate === undefined) return false;
  for (;;) {
    if (calls.fallocate(fd, mode, offset, lengthBytes) === 0) return true;
    const code = calls.lastError();
    if (NOT_THERE.has(code)) return false;
    if (code === 'EINTR') continue;
    const errno = constants.errno[code as keyof typeof constants.errno];
    throw Object.assign(new Error(`${code}: fallocate`), { code, errno: -errno });
  }
}
