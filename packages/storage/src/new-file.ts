/**
 * A file that appears under its name only once it is complete. Until then it has a name of its own
 * in the same directory, so a failure or a loss of power leaves nothing half-made behind that
 * somebody could take for the real thing.
 */
import fs from 'node:fs';
import { basename, dirname, sep } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import {
  closeStorage,
  hostCall,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import { hostError } from './host-error.ts';
import { nodeHostFiles } from './host-files.ts';
import type { ImageLocking } from './image-lock.ts';
import { createFileStorage, openFileStorage } from './open-file.ts';

export interface NewFileOptions {
  /** Whether the file may take the place of one that is there. */
  readonly overwrite: boolean;
  /** How to see whether the file to be replaced is in use. */
  readonly locking: ImageLocking;
  /** Who may use the file; by default who may use the replaced one. */
  readonly access?: FileAccess;
  /**
   * False to leave it to the host when the content becomes durable: a loss of power soon after may
   * take it, the name may be there all the same. Default true.
   */
  readonly durable?: boolean;
}

/** Owner and permissions of a file. */
export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** The file that is to be replaced, held so that nobody takes it into use meanwhile. */
interface Replaced {
  readonly storage: WritableStorage;
  readonly path: string;
  readonly access: FileAccess;
}

/** The bits of a mode that chmod(2) sets. */
const MODE_BITS = 0o10000;

export class NewFile {
  /** Empty, to be filled. Whoever fills it may close it. */
  readonly storage: WritableStorage;
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #replaced: Replaced | undefined;
  readonly #access: FileAccess | undefined;
  readonly #durable: boolean;
  #isPrepared = false;

  private constructor(
    storage: WritableStorage,
    paths: { path: string; temporaryPath: string },
    replaced: Replaced | undefined,
    { access, durable }: { access: FileAccess | undefined; durable: boolean },
  ) {
    this.#durable = durable;
    this.storage = storage;
    this.#path = paths.path;
    this.#temporaryPath = paths.temporaryPath;
    this.#replaced = replaced;
    this.#access = access;
  }

  /** The file that is to be replaced; undefined when there is none. */
  get replaced(): Storage | undefined {
    return this.#replaced?.storage;
  }

  /** Who may use the file; undefined for whoever the host lets use new ones. */
  get access(): FileAccess | undefined {
    return this.#access;
  }

  /**
   * Begins a file that is to be called `path`.
   * @throws DiskError `invalid-argument` when the name is taken, `busy` when what has it is in use
   */
  static *create(path: string, options: NewFileOptions): Step<NewFile> {
    const replaced = yield* findReplaced(path, options);
    try {
      const target = replaced?.path ?? path;
      // Nobody is let into a file that is there already, so that to guess the name is of no use; and
      // to load node:crypto takes a command longer than all else that creating an image does.
      const unique = Math.random().toString(36).slice(2);
      // Not normalised: what `..` after a symbolic link means is for the host to say.
      const temporaryPath = `${dirname(target)}${sep}.diskfile-${unique}.tmp`;
      // Names in the new image count from where it will be, which has to exist to be looked up.
      const hostPath = replaced === undefined ? temporaryPath : path;
      // Nobody may read what is being written who could not read what it replaces.
      const access = options.access ?? replaced?.access;
      const mode = access === undefined ? {} : { mode: access.mode };
      // No order of writes matters while nobody can see the file, and publishing makes all durable.
      const naming = { name: path, hostPath, flushes: false };
      const storage = yield* createFileStorage(temporaryPath, { ...naming, ...mode });
      const paths = { path: target, temporaryPath };
      const { durable = true } = options;
      return new NewFile(storage, paths, replaced, { access, durable });
    } catch (error) {
      if (replaced !== undefined) yield* closeStorage(replaced.storage);
      // Nobody knows the temporary name.
      throw error instanceof DiskError ? hostError(error.cause ?? error, 'create', path) : error;
    }
  }

  /**
   * Makes the content durable. Of files that belong together each is prepared before the first is
   * published: where one of them fails, none has taken the place of another yet.
   */
  *prepare(): Step<void> {
    if (this.#isPrepared) return;
    yield* closeStorage(this.storage);
    yield* this.#creating(() => this.#makeDurable());
    this.#isPrepared = true;
  }

  *#makeDurable(): Step<void> {
    if (this.#access !== undefined) yield* setAccess(this.#temporaryPath, this.#access);
    if (this.#durable) yield* syncPath(this.#temporaryPath, 'r+');
  }

  /** Makes the content durable and gives the file its name. */
  *publish(): Step<void> {
    yield* this.prepare();
    yield* this.#creating(() => this.#giveName());
    if (this.#replaced !== undefined) yield* closeStorage(this.#replaced.storage);
  }

  *#giveName(): Step<void> {
    if (this.#replaced === undefined) yield* linkNew(this.#temporaryPath, this.#path);
    else yield* rename(this.#temporaryPath, this.#path);
    if (this.#durable) yield* syncDirectory(dirname(this.#path));
  }

  /** Failures speak of the name that the file is to have. */
  *#creating(body: () => Step<void>): Step<void> {
    try {
      yield* body();
    } catch (cause) {
      throw cause instanceof DiskError ? cause : hostError(cause, 'create', this.#path);
    }
  }

  /**
   * Removes what there is of the file, as far as the host lets it: why it is discarded is what
   * matters. Harmless after {@link publish}.
   */
  *discard(): Step<void> {
    yield* closeStorage(this.storage);
    if (this.#replaced !== undefined) yield* closeStorage(this.#replaced.storage);
    const options = { force: true };
    try {
      yield* hostCall(
        () => fs.rmSync(this.#temporaryPath, options),
        () => fs.promises.rm(this.#temporaryPath, options),
      );
    } catch {
      // The file stays behind under a name that nobody takes for an image.
    }
  }
}

function* findReplaced(path: string, options: NewFileOptions): Step<Replaced | undefined> {
  if (basename(path) === '') throw hostError({ code: 'ENOENT' }, 'create', path);
  if (!(yield* isThere(path))) return undefined;
  if (!options.overwrite) throw hostError({ code: 'EEXIST' }, 'create', path);
  const storage = yield* openFileStorage(path, {
    writable: true,
    kinds: ['regular file'],
    locking: options.locking,
  });
  try {
    // The file behind symbolic links is replaced, not the link.
    const realPath = yield* nodeHostFiles.realpath(path);
    return { storage, path: realPath, access: yield* fileAccess(realPath) };
  } catch (error) {
    yield* closeStorage(storage);
    throw error;
  }
}

/** Whether a name is taken, be it by a symbolic link that leads nowhere. */
function* isThere(path: string): Step<boolean> {
  try {
    return yield* hostCall(
      () => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined,
      async () => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined,
    );
  } catch (cause) {
    throw hostError(cause, 'create', path);
  }
}

/** Who may use a file that is there. */
export function* fileAccess(path: string): Step<FileAccess> {
  try {
    const { uid, gid, mode } = yield* hostCall(
      () => fs.statSync(path),
      () => fs.promises.stat(path),
    );
    return { uid, gid, mode: mode % MODE_BITS };
  } catch (cause) {
    throw hostError(cause, 'create', path);
  }
}

/** Only a privileged process can give files away; those of others belong to who makes them. */
function* setAccess(path: string, { uid, gid, mode }: FileAccess): Step<void> {
  const made = yield* fileAccess(path);
  if (made.uid !== uid || made.gid !== gid) yield* tryChangeOwner(path, uid, gid);
  yield* hostCall(
    () => fs.chmodSync(path, mode),
    () => fs.promises.chmod(path, mode),
  );
}

function* tryChangeOwner(path: string, uid: number, gid: number): Step<void> {
  try {
    yield* hostCall(
      () => fs.chownSync(path, uid, gid),
      () => fs.promises.chown(path, uid, gid),
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EPERM') throw error;
  }
}

/** Gives a file its name unless that is taken. */
function* linkNew(from: string, to: string): Step<void> {
  try {
    yield* hostCall(
      () => fs.linkSync(from, to),
      () => fs.promises.link(from, to),
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') throw error;
    // A file system without hard links: nothing better than to look first.
    if (fs.existsSync(to)) throw hostError({ code: 'EEXIST' }, 'create', to);
    return yield* rename(from, to);
  }
  yield* hostCall(
    () => fs.unlinkSync(from),
    () => fs.promises.unlink(from),
  );
}

function* rename(from: string, to: string): Step<void> {
  yield* hostCall(
    () => fs.renameSync(from, to),
    () => fs.promises.rename(from, to),
  );
}

/** Makes durable what was written to a file, through whatever descriptor. */
function* syncPath(path: string, flags: 'r' | 'r+'): Step<void> {
  yield* hostCall(
    () => {
      const fd = fs.openSync(path, flags);
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    },
    async () => {
      const handle = await fs.promises.open(path, flags);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  );
}

/** Makes a new name durable, where the host lets directories be opened for that. */
export function* syncDirectory(path: string): Step<void> {
  try {
    yield* syncPath(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EIO' || code === 'ENOSPC') throw error;
  }
}
