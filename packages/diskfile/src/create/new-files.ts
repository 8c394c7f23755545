/** The files of a new image: begun under other names, and given theirs together. */
import { dirname, isAbsolute, resolve, sep } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import {
  type NamedFile,
  type OpenGate,
  parseImageName,
  quote,
  type Step,
  type Storage,
} from '@diskfile/core';
import { NewFile, type NewFileOptions } from '@diskfile/storage';
import { isSameFile, leadsTo } from './same-file.ts';

export class NewFiles {
  /** Of the image. */
  readonly #path: string;
  readonly #options: NewFileOptions;
  /** The image first, then what else it names. */
  readonly #files: NewFile[] = [];
  /** Those besides the image, by the names that it has for them. */
  readonly #named = new Map<string, NewFile>();
  /** Where they will be. */
  readonly #paths = new Set<string>();

  constructor(path: string, options: NewFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  *begin(path: string): Step<NewFile> {
    if (this.#paths.has(fullPath(path))) throw this.#namedTwice(path);
    this.#paths.add(fullPath(path));
    const file = yield* NewFile.create(path, this.#options);
    this.#files.push(file);
    return file;
  }

  /** A further file, named by the caller, so no gate stands before it. */
  *beginNamed({ filename }: NamedFile): Step<NewFile['storage']> {
    const file = yield* this.begin(this.#pathOf(filename));
    this.#named.set(filename, file);
    return file.storage;
  }

  /** A gate that also finds these files, which do not have their names yet. */
  before(gate: OpenGate): OpenGate {
    return {
      open: (request) => {
        const { filename, role } = request.file;
        const own = this.#named.get(filename);
        if (role === 'backing' || own === undefined) return gate.open(request);
        return storageOf(own);
      },
    };
  }

  /** Replaced by the new image, the image below would be gone. What is no file is no such thing. */
  *refuseItselfBelow(image: NewFile, name: string): Step<void> {
    let filename: string;
    try {
      ({ filename } = parseImageName(name, 'backing'));
    } catch (error) {
      if (error instanceof DiskError && error.code === 'unsupported') return;
      throw error;
    }
    const path = this.#pathOf(filename);
    const isItself =
      this.#paths.has(fullPath(path)) ||
      (image.replaced !== undefined && (yield* isSameFile(path, this.#path))) ||
      (yield* isOverwritten(image, path));
    if (isItself) throw this.#namedTwice(filename);
  }

  /** What is written in place while it is read would be gone before it is copied. */
  *refuseItselfRead(image: NewFile, paths: readonly string[]): Step<void> {
    for (const path of paths) {
      if (!(yield* isOverwritten(image, path))) continue;
      throw new DiskError(
        'invalid-argument',
        'create.reads-itself',
        `${quote(path)} is what is read, and would be overwritten by the new image`,
        { op: 'create', path: this.#path, hint: 'Choose another target.' },
      );
    }
  }

  *publish(): Step<void> {
    for (const file of this.#files) yield* file.prepare();
    // The image last: once it is there, so is everything that it names.
    for (const file of this.#files.toReversed()) yield* file.publish();
  }

  *discard(): Step<void> {
    for (const file of this.#files) yield* file.discard();
  }

  /** Host path of a name in the image. Not normalised: `..` after a symbolic link is the host's. */
  #pathOf(filename: string): string {
    return isAbsolute(filename) ? filename : dirname(this.#path) + sep + filename;
  }

  #namedTwice(path: string): DiskError {
    return new DiskError(
      'invalid-argument',
      'create.names-itself',
      `${quote(path)} would be one file of the new image and another one as well`,
      { op: 'create', path: this.#path, hint: 'Give each file a name of its own.' },
    );
  }
}

/** Whether the new image destroys what a path leads to, by whatever name. */
function* isOverwritten({ isInPlace, replaced }: NewFile, path: string): Step<boolean> {
  return isInPlace && (yield* leadsTo(path, replaced?.identity));
}

// eslint-disable-next-line require-yield
function* storageOf({ storage }: NewFile): Step<Storage> {
  return storage;
}

/** As given where the working directory is gone: nothing is made there, so nothing is named twice. */
function fullPath(path: string): string {
  try {
    return resolve(path);
  } catch {
    return path;
  }
}
