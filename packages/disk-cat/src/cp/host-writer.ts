/**
 * Writing below a directory of the host without being led elsewhere. The guest chooses names and
 * contents, so an existing symbolic link is never followed: files are written under a fresh name
 * and renamed into place, which replaces a link instead of what it points to, and a directory that
 * is written into has to be one itself.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { maskBits } from '@diskfile/bytes';
import { writeFailure } from '@diskfile/command';
import { DiskError, encodeName, type FileHandle, type FileStats, type Timestamp } from 'diskfile';
import { type HostPath, showPath } from './host-path.ts';

export interface Preserve {
  /** Permissions and times. */
  readonly attributes: boolean;
  /** Owner and group, and with them set-uid and set-gid. */
  readonly owner: boolean;
}

const CHUNK_BYTES = 1024 * 1024;
/** Bytes written between two looks at pending signals. */
const CHECK_BYTES = 16 * CHUNK_BYTES;
const ALL_BUT_SETID = 0o1777;

export class HostWriter {
  readonly #preserve: Preserve;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  readonly #check: () => Promise<void>;

  /** @param check called now and then while a long file is written; throws to stop */
  constructor(preserve: Preserve, check: () => Promise<void>) {
    this.#preserve = preserve;
    this.#check = check;
  }

  /** Copies a regular file. Holes stay holes. */
  async file(target: HostPath, file: FileHandle): Promise<void> {
    refuseOccupied(target);
    await this.#renamed(target, async (fresh) => {
      const fd = openSync(fresh, 'wx', maskBits(file.stats.permissions, 0o777));
      try {
        await this.#content(fd, file);
        this.#attributes(fd, file.stats);
      } finally {
        closeSync(fd);
      }
    });
  }

  async symlink(target: HostPath, linkTarget: string, stats: FileStats): Promise<void> {
    refuseOccupied(target);
    await this.#renamed(target, async (fresh) => {
      symlinkSync(Buffer.from(encodeName(linkTarget)), fresh);
      if (this.#preserve.owner) lchownSync(fresh, stats.uid, stats.gid);
      if (this.#preserve.attributes) {
        lutimesSync(fresh, hostTime(stats.accessTime), hostTime(stats.modifyTime));
      }
    });
  }

  /** Makes `target` a further name of a file that was written before. */
  async hardLink(target: HostPath, earlier: HostPath): Promise<void> {
    refuseOccupied(target);
    await this.#renamed(target, async (fresh) => linkSync(earlier, fresh));
  }

  /** Makes a directory, or makes sure that there is one. */
  directory(target: HostPath, stats: FileStats): void {
    try {
      const standing = statusOf(target);
      if (standing === undefined) {
        // Whatever the guest says, the copy has to be able to fill it.
        mkdirSync(target, maskBits(stats.permissions, 0o77) + 0o700);
      } else if (!standing.isDirectory()) throw occupied(target, standing, 'a directory');
    } catch (error) {
      throw located(error, target);
    }
  }

  /** Gives a directory its attributes once everything in it is written. */
  finishDirectory(target: HostPath, stats: FileStats): void {
    if (!this.#preserve.attributes) return;
    try {
      if (this.#preserve.owner) lchownSync(target, stats.uid, stats.gid);
      chmodSync(target, this.#modeOf(stats));
      utimesSync(target, hostTime(stats.accessTime), hostTime(stats.modifyTime));
    } catch (error) {
      throw located(error, target);
    }
  }

  async #content(fd: number, file: FileHandle): Promise<void> {
    ftruncateSync(fd, file.sizeBytes);
    let uncheckedBytes = 0;
    for (const { offset, lengthBytes, data } of file.extentsSync()) {
      const end = data ? offset + lengthBytes : offset;
      for (let at = offset; at < end;) {
        const chunk = this.#buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
        file.readSync(chunk, at);
        writeAt(fd, chunk, at);
        at += chunk.length;
        uncheckedBytes += chunk.length;
        if (uncheckedBytes < CHECK_BYTES) continue;
        uncheckedBytes = 0;
        await this.#check();
      }
    }
  }

  #attributes(fd: number, stats: FileStats): void {
    if (this.#preserve.owner) fchownSync(fd, stats.uid, stats.gid);
    if (!this.#preserve.attributes) return;
    // After the owner: changing that clears set-uid.
    fchmodSync(fd, this.#modeOf(stats));
    futimesSync(fd, hostTime(stats.accessTime), hostTime(stats.modifyTime));
  }

  #modeOf({ permissions }: FileStats): number {
    return this.#preserve.owner ? permissions : maskBits(permissions, ALL_BUT_SETID);
  }

  /** Has `write` make a file of a fresh name, and moves that to `target` when it is complete. */
  async #renamed(target: HostPath, write: (fresh: HostPath) => Promise<void>): Promise<void> {
    const directory = target.subarray(0, target.lastIndexOf('/') + 1);
    const name = `.disk-cp-${randomBytes(6).toString('hex')}`;
    const fresh = Buffer.concat([directory, Buffer.from(name)]);
    try {
      await write(fresh);
      renameSync(fresh, target);
    } catch (error) {
      removeIfThere(fresh);
      throw located(error, target);
    }
    // Renaming a name onto another name of the same file does nothing at all.
    removeIfThere(fresh);
  }
}

/** @throws DiskError when something stands there that a file must not replace */
function refuseOccupied(target: HostPath): void {
  const standing = statusOf(target);
  if (standing === undefined || standing.isFile() || standing.isSymbolicLink()) return;
  throw occupied(target, standing, 'a file');
}

function statusOf(path: HostPath): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw located(error, path);
  }
}

function occupied(target: HostPath, standing: Stats, wanted: string): DiskError {
  const what = standing.isDirectory()
    ? 'a directory'
    : standing.isSymbolicLink()
      ? 'a symbolic link'
      : standing.isFile()
        ? 'a file'
        : 'a special file';
  const path = showPath(target);
  return new DiskError('denied', 'cp.occupied', `${path} is ${what}, where ${wanted} has to go`, {
    op: 'write',
    path,
    hint: 'Remove it, or copy elsewhere.',
  });
}

function removeIfThere(path: HostPath): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

function writeAt(fd: number, bytes: Uint8Array, offset: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(fd, bytes, written, bytes.length - written, offset + written);
  }
}

/** Errors of the guest and signals pass; those of the host say where they happened. */
function located(error: unknown, target: HostPath): unknown {
  const isHostError = error instanceof Error && 'syscall' in error;
  return isHostError ? writeFailure(error, showPath(target)) : error;
}

/**
 * Node hands times on in microseconds, and takes a negative number of seconds for "now"; a `Date`,
 * in milliseconds, may lie before 1970.
 */
function hostTime({ seconds, nanoseconds }: Timestamp): number | Date {
  if (seconds < 0) return new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
  return seconds + Math.floor(nanoseconds / 1000) / 1e6;
}
