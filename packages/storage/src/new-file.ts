/**
 * A file that appears under its name only once it is complete. Until then it has a name of its own
 * in the same directory, so a failure or a loss of power leaves nothing half-made behind that
 * somebody could take for the real thing. A device, and a file whose directory lets nothing else
 * take its place, is written where it is, if the caller will have that.
 */
import fs from 'node:fs';
import { dirname, sep } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import {
  abandonStorages,
  closeStorage,
  flushStorage,
  hostCall,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import { copyInto } from './copy-into.ts';
import { hostError } from './host-error.ts';
import type { ImageLocking } from './image-lock.ts';
import { InPlaceStorage } from './in-place-storage.ts';
import { createFileStorage, openFileStorage } from './open-file.ts';
import { type FileAccess, fileAccess, findReplaced, type Replaced } from './replaced-file.ts';

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
  /**
   * Whether a device, or a file whose name cannot be given to another one, may be written where it
   * is, which a failure leaves half done; refused where this is left out. A device where it says
   * `keepsContent` keeps what it holds behind the last byte that is written, but for its first
   * sector; without, zeros go there as far as the new file reaches.
   */
  readonly inPlace?: { readonly keepsContent: boolean };
}

/** What a host says that does not let a file be made beside another one, or take its place. */
const UNREPLACEABLE: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV']);

export class NewFile {
  /** Empty, to be filled. Whoever fills it may close it. */
  readonly storage: WritableStorage;
  readonly #path: string;
  /** Undefined for a file that is written in place. */
  readonly #temporaryPath: string | undefined;
  readonly #replaced: Replaced | undefined;
  readonly #access: FileAccess | undefined;
  readonly #durable: boolean;
  readonly #mayWriteInPlace: boolean;
  #isPrepared = false;

  private constructor(
    storage: WritableStorage,
    paths: { path: string; temporaryPath: string | undefined },
    replaced: Replaced | undefined,
    { access, durable = true, inPlace }: Pick<NewFileOptions, 'access' | 'durable' | 'inPlace'>,
  ) {
    this.#durable = durable;
    this.#mayWriteInPlace = inPlace !== undefined;
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

  /** Whether what is written takes the place of what the replaced file holds at once. */
  get isInPlace(): boolean {
    return this.#temporaryPath === undefined;
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
    const mayBeDevice = options.inPlace !== undefined;
    const found = yield* findReplaced(path, { ...options, mayBeDevice });
    if (typeof found === 'string') return yield* NewFile.#beside(path, found, undefined, options);
    try {
      if (found.isDevice) return NewFile.#inPlace(found, options);
      return yield* NewFile.#beside(path, found.path, found, options);
    } catch (error) {
      const { inPlace } = options;
      if (inPlace !== undefined && isUnreplaceable(error)) return NewFile.#inPlace(found, options);
      yield* abandonStorages([found.storage]);
      throw error;
    }
  }

  static *#beside(
    path: string,
    target: string,
    replaced: Replaced | undefined,
    options: NewFileOptions,
  ): Step<NewFile> {
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
    try {
      const storage = yield* createFileStorage(temporaryPath, { ...naming, ...mode });
      const paths = { path: target, temporaryPath };
      return new NewFile(storage, paths, replaced, { ...options, ...(access && { access }) });
    } catch (error) {
      // Nobody knows the temporary name.
      throw error instanceof DiskError ? hostError(error.cause ?? error, 'create', path) : error;
    }
  }

  static #inPlace(replaced: Replaced, options: NewFileOptions): NewFile {
    const { storage, isDevice } = replaced;
    const { keepsContent = false } = options.inPlace ?? {};
    const { hostPath } = storage;
    const written = new InPlaceStorage(storage, { isDevice, hostPath, keepsContent });
    return new NewFile(
      written,
      { path: replaced.path, temporaryPath: undefined },
      replaced,
      options,
    );
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
    if (this.#temporaryPath === undefined) {
      if (this.storage instanceof InPlaceStorage) yield* this.storage.finish();
      if (this.#durable) yield* flushStorage(this.#replaced!.storage);
      return;
    }
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
    if (this.#temporaryPath === undefined) return;
    if (this.#replaced === undefined) yield* linkNew(this.#temporaryPath, this.#path);
    else if (!(yield* this.#replace(this.#temporaryPath, this.#replaced))) return;
    if (this.#durable) yield* syncDirectory(dirname(this.#path));
  }

  /** @returns false where the content had to be put into the file that is there */
  *#replace(temporaryPath: string, { storage }: Replaced): Step<boolean> {
    try {
      yield* rename(temporaryPath, this.#path);
      return true;
    } catch (error) {
      if (!this.#mayWriteInPlace || !isUnreplaceable(error)) throw error;
    }
    const complete = yield* openFileStorage(temporaryPath, { name: this.#path });
    try {
      yield* copyInto(complete, storage);
      if (this.#durable) yield* flushStorage(storage);
    } finally {
      yield* closeStorage(complete);
    }
    yield* remove(temporaryPath);
    return false;
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
    const replaced = this.#replaced === undefined ? [] : [this.#replaced.storage];
    yield* abandonStorages([this.storage, ...replaced]);
    if (this.#temporaryPath !== undefined) yield* remove(this.#temporaryPath);
  }
}

/** Whether a host that is asked to replace a file has said that this file cannot be replaced. */
function isUnreplaceable(error: unknown): boolean {
  const cause = error instanceof DiskError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && UNREPLACEABLE.has(cause.code);
}

/** Removes a temporary file, as far as the host lets it. */
function* remove(path: string): Step<void> {
  const options = { force: true };
  try {
    yield* hostCall(
      () => fs.rmSync(path, options),
      () => fs.promises.rm(path, options),
    );
  } catch {
    // The file stays behind under a name that nobody takes for an image.
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
