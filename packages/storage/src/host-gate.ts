/**
 * The gate over the host's file system: which further files an image may name.
 *
 * An image is attacker input, and so is every name in it. The order of the checks matters. First
 * the name alone is judged, before the host is asked anything, so that nothing outside the allowed
 * directories is even looked at. Then symbolic links are resolved and the true path is judged. Only
 * then is the file opened, and where it turns out to be is judged once more.
 */
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import {
  checkArgument,
  closeStorage,
  type FileRole,
  type GateRequest,
  type NamedFile,
  type OpenGate,
  quote,
  type Step,
  type Storage,
} from '@diskfile/core';
import type { ImageLocking } from './image-lock.ts';
import { openFileStorage } from './open-file.ts';
import { type HostFiles, nodeHostFiles } from './host-files.ts';
import { hostPathOf } from './host-path.ts';
import { sliceStorage } from './slice-storage.ts';

export interface HostGateOptions {
  /**
   * Directories whose files may be opened besides those in the directory of the image that names
   * them, or `any` for every regular file and block device of the host, and what holds nothing, such
   * as /dev/null.
   */
  readonly allow?: readonly string[] | 'any';
}

/** How the gate deals with the host; set by whoever opens the first image. */
export interface HostAccess {
  /** Locks the files as QEMU locks images; by default nobody is kept off them. */
  readonly locking?: ImageLocking;
  readonly files?: HostFiles;
}

/**
 * Opens what images name: for reading, except the data file of an image that is itself opened for
 * writing. By default only regular files at or below the directory of
 * the image that names them, symbolic links of both resolved.
 *
 * A relative name is looked up as QEMU does: from the directory of the image's path as it was
 * given, not from where that path's symbolic links lead.
 *
 * For any other policy implement {@link OpenGate}; `openFileStorage` does the opening.
 */
export function hostGate(options: HostGateOptions = {}, access: HostAccess = {}): OpenGate {
  checkArgument('gate', 'options', options, 'gate');
  const { allow = [] } = options;
  return {
    *open(request) {
      const { file, writable } = request;
      const isWhole = file.offset === 0 && file.lengthBytes === undefined;
      if (writable && !isWhole) throw windowIsReadOnly(request);
      const opening = new NamedFileOpening(request, access);
      const storage = yield* allow === 'any' ? opening.openAny() : opening.openWithin(allow);
      if (isWhole) return storage;
      try {
        return sliceStorage(storage, file.offset, file.lengthBytes);
      } catch (error) {
        yield* closeStorage(storage);
        throw error;
      }
    },
  };
}

const ROLE_NAMES: Readonly<Record<FileRole, string>> = {
  backing: 'backing file',
  'data-file': 'data file',
  extent: 'extent',
};

/** One file that an image names, on its way through the checks. */
class NamedFileOpening {
  readonly #file: NamedFile;
  readonly #namedBy: Storage;
  readonly #writable: boolean;
  readonly #access: HostAccess;
  readonly #files: HostFiles;
  /** The image's own path as it was given; undefined when it is no host file. */
  readonly #imagePath: string | undefined;

  constructor({ file, namedBy, writable }: GateRequest, access: HostAccess) {
    this.#file = file;
    this.#namedBy = namedBy;
    this.#writable = writable;
    this.#access = access;
    this.#files = access.files ?? nodeHostFiles;
    this.#imagePath = hostPathOf(namedBy);
  }

  *openAny(): Step<Storage> {
    const path = this.#path();
    try {
      const how = { ...this.#access, writable: this.#writable, emptyDevices: true };
      return yield* openFileStorage(path, how);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  *openWithin(allow: readonly string[]): Step<Storage> {
    const path = this.#path();
    const asGiven = allow.map((directory) => resolve(directory));
    if (this.#imagePath !== undefined) asGiven.push(dirname(this.#imagePath));
    const real = yield* this.#realDirectories(allow);
    if (!isWithin(resolve(path), [...asGiven, ...real])) throw this.#denied(path);
    const realPath = yield* this.#resolve(path, real);
    if (!isWithin(realPath, real)) throw this.#leadsOutside();
    return yield* openFileStorage(realPath, {
      name: path,
      hostPath: path,
      kinds: ['regular file'],
      followSymlink: false,
      judge: (truePath) => {
        if (!isWithin(truePath, real)) throw this.#leadsOutside();
      },
      writable: this.#writable,
      ...this.#access,
    });
  }

  /** The host path that the name means. Not normalised: `..` after a symbolic link is the host's. */
  #path(): string {
    const { filename } = this.#file;
    if (isAbsolute(filename)) return filename;
    if (this.#imagePath !== undefined) {
      const directory = dirname(this.#imagePath);
      return directory.endsWith(sep) ? directory + filename : directory + sep + filename;
    }
    throw new DiskError(
      'denied',
      'gate.no-directory',
      `The image names ${this.#quoted()}, but is itself no file, so there is no directory to look in`,
      { op: 'open', path: this.#namedBy.name, hint: 'Open the image from a file.' },
    );
  }

  /** The directories that may be opened from, symbolic links resolved; missing ones left out. */
  *#realDirectories(allow: readonly string[]): Step<string[]> {
    const directories: string[] = [];
    for (const directory of allow) {
      const real = yield* this.#tryRealpath(directory);
      if (typeof real === 'string') directories.push(real);
    }
    if (this.#imagePath !== undefined) {
      directories.push(dirname(yield* this.#files.realpath(this.#imagePath)));
    }
    return directories;
  }

  /**
   * The true path. A file that cannot be resolved is reported as missing only when it would be in a
   * directory that is itself allowed: otherwise the image could find out what exists elsewhere.
   */
  *#resolve(path: string, allowed: readonly string[]): Step<string> {
    const realPath = yield* this.#tryRealpath(path);
    if (typeof realPath === 'string') return realPath;
    for (let directory = dirname(path); ; directory = dirname(directory)) {
      const real = yield* this.#tryRealpath(directory);
      if (typeof real === 'string') {
        throw isWithin(real, allowed) ? this.#explained(realPath) : this.#leadsOutside();
      }
      if (directory === dirname(directory)) throw this.#leadsOutside();
    }
  }

  *#tryRealpath(path: string): Step<string | DiskError> {
    try {
      return yield* this.#files.realpath(path);
    } catch (error) {
      if (error instanceof DiskError) return error;
      throw error;
    }
  }

  #quoted(): string {
    return `the ${ROLE_NAMES[this.#file.role]} ${quote(this.#file.filename)}`;
  }

  #denied(path: string): DiskError {
    const directory = quote(dirname(resolve(path)));
    return this.#outside(
      'is not inside the directory of the image',
      `If you trust the image, allow it: --allow-backing ${directory} on the command line, ` +
        `gate: { allow: [${directory}] } in code.`,
    );
  }

  /** Where to is not said: an image is not to find out what exists elsewhere. */
  #leadsOutside(): DiskError {
    return this.#outside(
      'symbolic links take out of the directory of the image',
      'If you trust the image, allow the directory that it is truly in: --allow-backing DIRECTORY ' +
        'on the command line, gate: { allow: [directory] } in code.',
    );
  }

  #outside(where: string, hint: string): DiskError {
    const message = `The image names ${this.#quoted()}, which ${where}`;
    const context = { op: 'open', path: this.#namedBy.name, layer: 'storage', hint };
    return new DiskError('denied', 'gate.outside', message, context);
  }

  /** Says of a missing file who asks for it: its name stands in no command that the user typed. */
  #explained(error: unknown): unknown {
    if (!(error instanceof DiskError) || error.code !== 'not-found') return error;
    return new DiskError(
      'not-found',
      'gate.not-found',
      `The image names ${this.#quoted()}, and there is no such file`,
      {
        op: 'open',
        path: this.#namedBy.name,
        layer: 'storage',
        cause: error,
        hint: 'Put it back where the image expects it, or point the image to where it is now.',
      },
    );
  }
}

function windowIsReadOnly({ file, namedBy }: GateRequest): DiskError {
  return new DiskError(
    'unsupported',
    'gate.window-read-only',
    `The image names part of ${quote(file.filename)} as its ${ROLE_NAMES[file.role]}, and a part can only be read`,
    { op: 'open', path: namedBy.name, layer: 'storage', hint: 'Open the image read-only.' },
  );
}

/** Whether an absolute path is one of the directories or lies below one, by its text alone. */
function isWithin(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => {
    const rest = relative(directory, path);
    return rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
  });
}
