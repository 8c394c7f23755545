/** Turning an image into the base of overlays: what clones and external snapshots are made of. */
import { DiskError } from '@diskfile/bytes';
import {
  checkOptions,
  type FormatImage,
  type FormatOptions,
  type OptionKinds,
  quote,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { qcow2Driver } from '@diskfile/qcow2';
import {
  addFileName,
  fileAccess,
  type ImageLocking,
  isSplitSetStart,
  NewFile,
  removeFileName,
} from '@diskfile/storage';
import { CHAIN_KINDS, type ChainOptions, type ChainResult } from './chain-options.ts';
import { hostPath } from '../open/image-target.ts';
import { type ChainSession, inSession, type OpenedChain } from './chain-session.ts';
import { nextStatus } from './disk-steps.ts';
import {
  type ForkFile,
  isOneName,
  isRelativeName,
  isSameName,
  locate,
  relativeName,
} from './fork-names.ts';
import { storedFormat } from './stored-format.ts';

export interface ForkDiskFileOptions extends Omit<ChainOptions, 'onProgress' | 'signal'> {
  /** Path that the image itself gets. Nothing may have it yet; on the same file system. */
  readonly base: string;
  /** Path of a second overlay, beside the one that takes the image's name; none when left out. */
  readonly clone?: string;
  /** Options of the overlays, which are qcow2, under the names that qemu-img gives with `-o`. */
  readonly overlayOptions?: FormatOptions;
}

export interface ForkResult extends ChainResult {
  /** Whether this was the rest of a fork that had been interrupted. */
  readonly resumed: boolean;
}

/**
 * Turns an image into the base of two overlays: the file keeps its bytes and gets the name `base`, an
 * empty overlay takes its old name, and another one is the clone. Without a clone this is what is
 * called an external snapshot.
 *
 * At every moment the old name opens and reads the same. When a fork is interrupted, the same call
 * finishes it, as long as nothing was written to the overlay meanwhile. The overlays name the base
 * relative to themselves, so that all three can be moved together; by default the base has to lie in
 * the directory of its overlay to be opened. The base must not be written any more.
 *
 * @param target path or `file:` URL of the image; whoever has it open makes this refuse
 * @throws DiskError `busy` when the image is in use; `invalid-argument` for names that are taken or
 *   would make the image lose what it names itself; `unsupported` where a file can have one name
 *   only, and for images of several files that are found by the name of the first; `no-space`, `io`, and what opening the image throws
 * @example
 * await forkDiskFile('vm.qcow2', { base: 'vm.base.qcow2', clone: 'vm2.qcow2' });
 */
export function forkDiskFile(
  target: string | URL,
  options: ForkDiskFileOptions,
): Promise<ForkResult> {
  return runAsync(fork(target, options));
}

/** The synchronous form of {@link forkDiskFile}; blocks the thread. */
export function forkDiskFileSync(target: string | URL, options: ForkDiskFileOptions): ForkResult {
  return runSync(fork(target, options));
}

const FORKING_KINDS: OptionKinds<ForkDiskFileOptions> = {
  ...CHAIN_KINDS,
  base: 'text',
  clone: 'text',
  overlayOptions: 'formatOptions',
};

function* fork(target: string | URL, options: ForkDiskFileOptions): Step<ForkResult> {
  checkOptions('fork', options, FORKING_KINDS, ['base']);
  const path = hostPath('fork', target);
  return yield* inSession('fork', options, function* (session) {
    const work = new Fork(session, options, {
      image: yield* locate(path),
      base: yield* locate(options.base),
      clone: options.clone === undefined ? undefined : yield* locate(options.clone),
    });
    const resumed = yield* work.run();
    return { warnings: session.warnings, resumed };
  });
}

interface ForkFiles {
  readonly image: ForkFile;
  readonly base: ForkFile;
  readonly clone: ForkFile | undefined;
}

class Fork {
  readonly #session: ChainSession;
  readonly #options: ForkDiskFileOptions;
  readonly #files: ForkFiles;
  readonly #locking: ImageLocking;
  /** Begun and not yet at their names. */
  readonly #newFiles: NewFile[] = [];

  constructor(session: ChainSession, options: ForkDiskFileOptions, files: ForkFiles) {
    this.#session = session;
    this.#options = options;
    this.#files = files;
    const warn: ImageLocking['warn'] = (warning) => void session.warnings.push(warning);
    this.#locking = { forceShare: false, warn };
  }

  /** @returns whether an earlier fork had begun it */
  *run(): Step<boolean> {
    const { image, base, clone } = this.#files;
    if (image.identity === undefined) throw notThere(image.path);
    if (image.isLink) throw notTheFile(image.path);
    if (yield* isSplitSetStart(image.path)) throw severalFiles(image.path);
    if (clone && isSameName(clone, base)) throw oneName(base.path);
    if (clone?.identity !== undefined) throw nameTaken(clone.path);
    // The overlay would take the only name that the image has.
    if (isOneName(base, image)) throw nameTaken(base.path);
    try {
      if (base.identity === undefined || base.identity === image.identity) {
        yield* this.#turnIntoBase();
        return base.identity !== undefined;
      }
      yield* this.#finishEarlier();
      return true;
    } finally {
      for (const file of this.#newFiles) yield* file.discard();
    }
  }

  *#turnIntoBase(): Step<void> {
    const { image, base, clone } = this.#files;
    // Locked as a writer locks it until the overlay has taken its name.
    const overlay = yield* this.#begin(image.path, { overwrite: true });
    const layer = yield* this.#inspect(image, overlay);
    this.#refuseLosingReferences(layer);
    yield* this.#fill(overlay, image, layer);
    const second = clone && (yield* this.#begin(clone.path, overlay));
    if (second !== undefined) yield* this.#fill(second, clone!, layer);
    for (const file of this.#newFiles) yield* file.prepare();
    const isNew = base.identity === undefined;
    if (isNew) yield* addFileName(image.path, base.path);
    try {
      yield* overlay.publish();
    } catch (error) {
      if (isNew) yield* this.#takeBack(error);
      throw error;
    }
    if (second !== undefined) yield* this.#publishClone(second);
  }

  /** The base's name, unless the overlay has taken the image's after all. */
  *#takeBack(error: unknown): Step<void> {
    const { image, base } = this.#files;
    const now = yield* locate(image.path);
    if (now.identity !== image.identity) throw unfinished(error, image.path);
    yield* removeFileName(base.path);
  }

  *#publishClone(second: NewFile): Step<void> {
    try {
      yield* second.publish();
    } catch (error) {
      throw unfinished(error, this.#files.clone!.path);
    }
  }

  /** The overlay has the image's name already, and only the clone is missing. */
  *#finishEarlier(): Step<void> {
    const { image, base, clone } = this.#files;
    const overlay = yield* this.#session.open(image.path, { writable: true, probe: true });
    const [top, below] = overlay.layers;
    const isOverBase = below?.storages[0]!.identity === base.identity;
    if (!isOverBase) throw nameTaken(base.path);
    if (!(yield* isEmpty(overlay))) throw changedSince(image.path, base.path);
    if (clone === undefined) return;
    const second = yield* this.#begin(clone.path, {
      access: yield* fileAccess(image.path),
    });
    yield* this.#fill(second, clone, { format: below!.format, sizeBytes: top!.sizeBytes });
    yield* this.#publishClone(second);
  }

  *#begin(
    path: string,
    { overwrite = false, access }: { overwrite?: boolean; access?: NewFile['access'] },
  ): Step<NewFile> {
    const locking = this.#locking;
    const file = yield* NewFile.create(path, {
      overwrite,
      locking,
      ...(access === undefined ? {} : { access }),
    });
    this.#newFiles.push(file);
    return file;
  }

  /** What the image is; its file stays open, and locked. */
  *#inspect({ path, identity }: ForkFile, { replaced }: NewFile): Step<FormatImage> {
    if (replaced === undefined || replaced.identity !== identity) throw notTheFile(path);
    return yield* this.#session.inspect(replaced);
  }

  /** Relative names in the image count from where it is found. */
  #refuseLosingReferences(layer: FormatImage): void {
    const { image, base } = this.#files;
    const hasOthers = layer.storages.length > 1;
    if (hasOthers && !NAMES_ITS_FILES.has(layer.format)) throw severalFiles(image.path);
    if (image.directory === base.directory) return;
    const { dataFile, extents } = layer.details();
    const extentNames = hasOthers && Array.isArray(extents) ? extents.map(nameOfExtent) : [];
    const names = [layer.backing?.name, dataFile, ...extentNames].filter(
      (name) => typeof name === 'string',
    );
    const lost = names.find(isRelativeName);
    if (lost === undefined) return;
    throw new DiskError(
      'invalid-argument',
      'fork.relative-references',
      `The image names ${quote(lost)} relative to its directory, and the base would lie in another one`,
      { path: base.path, hint: 'Choose a base in the directory of the image.' },
    );
  }

  *#fill(file: NewFile, at: ForkFile, { format, sizeBytes }: BaseFacts): Step<void> {
    yield* qcow2Driver.create!({
      storage: file.storage,
      sizeBytes,
      options: this.#options.overlayOptions ?? {},
      backing: { name: relativeName(at, this.#files.base), format: storedFormat(format) },
      *createNamed() {
        throw new DiskError('invalid-argument', 'fork.data-file', 'Overlays have no data files');
      },
    });
  }
}

/** Formats that state where their further files are. Others find them by the image's own name. */
const NAMES_ITS_FILES: ReadonlySet<string> = new Set(['qcow2', 'vmdk']);

function nameOfExtent({ filename }: { readonly filename: unknown }): unknown {
  return filename;
}

/** What an overlay has to know of its base. */
type BaseFacts = Pick<FormatImage, 'format' | 'sizeBytes'>;

/** Whether an image itself holds nothing. */
function* isEmpty({ disk }: OpenedChain): Step<boolean> {
  for (let at = 0; at < disk.sizeBytes;) {
    const { allocated, depth, lengthBytes } = yield* nextStatus(disk, at, disk.sizeBytes - at);
    if (allocated && depth === 0) return false;
    at += lengthBytes;
  }
  return true;
}

function notThere(path: string): DiskError {
  return new DiskError('not-found', 'fork.no-image', `There is no image ${path}`, {
    op: 'fork',
    path,
    hint: 'Check the path, and what it is relative to.',
  });
}

function notTheFile(path: string): DiskError {
  return new DiskError(
    'invalid-argument',
    'fork.not-the-file',
    `${path} is not the name of an image file itself`,
    { path, hint: 'Give the path of a regular file that is no symbolic link.' },
  );
}

function severalFiles(path: string): DiskError {
  return new DiskError(
    'unsupported',
    'fork.several-files',
    `${path} is the first of several files that make up the image, and are found by its name`,
    { path, hint: 'Join them into one file, or convert the image, and fork that.' },
  );
}

function oneName(path: string): DiskError {
  return new DiskError('invalid-argument', 'fork.one-name', `Base and clone are both ${path}`, {
    path,
    hint: 'Give each a name of its own.',
  });
}

function nameTaken(path: string): DiskError {
  return new DiskError('invalid-argument', 'fork.name-taken', `${path} is there already`, {
    path,
    hint: 'Choose a name that nothing has yet.',
  });
}

function changedSince(path: string, base: string): DiskError {
  return new DiskError(
    'invalid-argument',
    'fork.changed-since',
    `${path} is an overlay of ${base} already, and was written to`,
    { path, hint: 'To fork it again, choose another name for its base.' },
  );
}

function unfinished(cause: unknown, path: string): unknown {
  if (!(cause instanceof DiskError)) return cause;
  return new DiskError(cause.code, 'fork.unfinished', `The fork got stuck at ${path}`, {
    path,
    cause,
    hint: 'Nothing is lost. Call it again, with the same names, to finish it.',
  });
}
