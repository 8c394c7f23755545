/** Creating virtual disks. */
import { basename, dirname, isAbsolute, resolve, sep } from 'node:path';
import { alignUp, DiskError } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import {
  type BackingReference,
  checkOptions,
  closeStorage,
  createImageDisk,
  type DiskFile,
  describeValue,
  findDriver,
  type FormatDetails,
  type FormatDriver,
  type FormatImage,
  hostCall,
  type ImageChain,
  type Limits,
  type NamedFile,
  openChain,
  type OpenGate,
  type OptionKinds,
  parseImageName,
  quote,
  runAsync,
  runSync,
  type Step,
  type Storage,
} from '@diskfile/core';
import { hostGate, type HostGateOptions, type ImageLocking, NewFile } from '@diskfile/storage';
import { storedFormat } from '../chain/stored-format.ts';
import { hostPath } from '../open/image-target.ts';
import { checkedLimits } from '../open/limits.ts';
import { type Passphrase, passphraseBytes } from '../open/passphrases.ts';
import { ALL_FORMATS } from '../formats.ts';
import { unlessAborted } from '../workers/aborted.ts';
import { isSameFile } from './same-file.ts';

const SECTOR_BYTES = 512;
/** Whole sectors of it are a safe integer. */
const MAX_DISK_BYTES = Number.MAX_SAFE_INTEGER - SECTOR_BYTES;

export interface CreateDiskFileOptions {
  readonly format: string;
  /**
   * Virtual size in bytes, rounded up to whole sectors of 512 bytes, and for VHD to the next size
   * that its geometry can express, as QEMU does (unless `options` has `force_size`). May be left out
   * where there is a backing image, which then gives its own.
   */
  readonly sizeBytes?: number;
  /** The image below. Its name is stored as it stands; relative ones count from the new image. */
  readonly backing?: {
    readonly name: string;
    /** Its format; found out and stored when left out, so that it is never guessed again. */
    readonly format?: string;
  };
  /** What the format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** What to encrypt the image with; its format or its options have to say that it is encrypted. */
  readonly passphrase?: Passphrase;
  /** Whether a file that is there may be replaced. It stays as it was if creating fails. */
  readonly overwrite?: boolean;
  /**
   * Whether the image survives a loss of power from the moment that it has its name; false to leave
   * that to the host. Default true.
   */
  readonly durable?: boolean;
  /** As for `openDiskFile()`: which backing images may be looked into. */
  readonly gate?: HostGateOptions | OpenGate;
  /** Looks into a backing image although another process may be writing it. */
  readonly forceShare?: boolean;
  readonly limits?: Partial<Limits>;
  /** Calls the work off; only what is created asynchronously can be. */
  readonly signal?: AbortSignal;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
}

/**
 * Creates a disk image. It appears under its name complete and durable, or not at all.
 * @throws DiskError `invalid-argument`, `unsupported` for formats that are only read, `busy` when
 *   the file to be replaced is in use, `no-space`, `io`, and what opening the backing image throws
 * @example
 * await createDiskFile('vm.qcow2', { format: 'qcow2', sizeBytes: 20 * 2 ** 30 });
 */
export async function createDiskFile(
  path: string | URL,
  options: CreateDiskFileOptions,
): Promise<void> {
  await runAsync(new Creation(hostPath('create', path), options).run());
}

/** The synchronous form of {@link createDiskFile}; blocks the thread. */
export function createDiskFileSync(path: string | URL, options: CreateDiskFileOptions): void {
  runSync(new Creation(hostPath('create', path), options).run());
}

/** Writes to a new image; `image` is the only one of the disk's chain that can be written. */
export type FillNewDisk = (disk: DiskFile, image: FormatImage) => Step<void>;

/**
 * Creates an image and lets `fill` write to it before it appears under its name. The disk is closed
 * when `fill` has ended.
 */
export function createFilled(
  path: string,
  options: CreateDiskFileOptions,
  fill: FillNewDisk,
): Step<void> {
  return new Creation(path, options, fill).run();
}

const CREATING_KINDS: OptionKinds<CreateDiskFileOptions> = {
  format: 'text',
  sizeBytes: 'any',
  backing: 'object',
  options: 'formatOptions',
  passphrase: 'passphrase',
  overwrite: 'flag',
  durable: 'flag',
  gate: 'gate',
  forceShare: 'flag',
  limits: 'object',
  signal: 'signal',
  formats: 'drivers',
};

/** @throws DiskError `invalid-argument` unless it is left out, or has a name */
export function checkBacking(op: string, backing: CreateDiskFileOptions['backing']): void {
  if (backing === undefined) return;
  checkOptions(op, backing, { name: 'text', format: 'text' }, ['name'], 'backing');
}

type CreatingDriver = FormatDriver & Required<Pick<FormatDriver, 'create'>>;

function isCreating(driver: FormatDriver): driver is CreatingDriver {
  return driver.create !== undefined;
}

class Creation {
  readonly #path: string;
  readonly #fill: FillNewDisk | undefined;
  readonly #options: CreateDiskFileOptions;
  readonly #drivers: readonly FormatDriver[];
  readonly #limits: Limits;
  readonly #locking: ImageLocking;
  /** The image first, then what else it names. */
  readonly #files: NewFile[] = [];
  /** Those besides the image, by the names that it has for them. */
  readonly #named = new Map<string, NewFile>();
  /** Where they will be. */
  readonly #paths = new Set<string>();

  constructor(path: string, options: CreateDiskFileOptions, fill?: FillNewDisk) {
    checkOptions('create', options, CREATING_KINDS, ['format']);
    checkBacking('create', options.backing);
    this.#path = path;
    this.#fill = fill;
    this.#options = options;
    this.#drivers = options.formats ?? ALL_FORMATS;
    this.#limits = checkedLimits(options.limits);
    this.#locking = { forceShare: options.forceShare ?? false, warn: () => {} };
  }

  *run(): Step<void> {
    const driver = this.#creator();
    this.#refuseBadSize();
    try {
      this.#refuseUnusedPassphrase(driver);
      const image = yield* this.#newFile(this.#path);
      const { sizeBytes, backing } = yield* this.#sizeAndBacking(image);
      const [passphrase] = this.#passphrases;
      const creation = driver.create({
        storage: image.storage,
        fileName: basename(this.#path),
        sizeBytes: this.#wholeSectors(sizeBytes),
        options: this.#options.options ?? {},
        backing,
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(backing === undefined ? {} : { describeBacking: () => this.#describeBacking(image) }),
        createNamed: (file) => this.#createNamed(file),
      });
      yield* unlessAborted(creation, this.#options.signal, this.#path);
      if (this.#fill !== undefined) yield* this.#fillDisk(image, this.#fill);
      for (const file of this.#files) yield* file.prepare();
      // The image last: once it is there, so is everything that it names.
      for (const file of this.#files.toReversed()) yield* file.publish();
    } catch (error) {
      for (const file of this.#files) yield* file.discard();
      throw this.#located(error);
    }
  }

  *#fillDisk(image: NewFile, fill: FillNewDisk): Step<void> {
    const chain = yield* openChain(image.storage, {
      drivers: this.#drivers,
      decoders: decoders(),
      gate: this.#fillingGate(),
      limits: this.#limits,
      format: this.#options.format,
      snapshot: undefined,
      passphrases: this.#passphrases,
      writable: true,
      followBacking: true,
    });
    const disk = createImageDisk(chain, {
      limits: this.#limits,
      encoders: encoders(),
      opening: undefined,
    });
    try {
      yield* fill(disk, chain.layers[0]!);
    } finally {
      yield* hostCall(
        () => disk.closeSync(),
        () => disk.close(),
      );
    }
  }

  get #passphrases(): (Uint8Array | undefined)[] {
    return passphraseBytes(this.#options.passphrase);
  }

  /** Finds the files of the new image, which do not have their names yet. */
  #fillingGate(): OpenGate {
    const gate = this.#gate();
    return {
      open: (request) => {
        const { filename, role } = request.file;
        const own = this.#named.get(filename);
        if (role === 'backing' || own === undefined) return gate.open(request);
        return storageOf(own);
      },
    };
  }

  #creator(): CreatingDriver {
    const { format } = this.#options;
    const driver = typeof format === 'string' ? findDriver(this.#drivers, format) : undefined;
    const creators = this.#drivers.filter(({ create }) => create !== undefined);
    const hint = `Formats that can be created: ${creators.map(({ id }) => id).join(', ')}.`;
    if (driver === undefined) {
      const message = `There is no disk format ${describeValue(format)}`;
      throw this.#refused('unsupported', 'create.unknown-format', message, hint);
    }
    if (!isCreating(driver)) {
      const message = `${driver.id} images can only be read`;
      throw this.#refused('unsupported', 'create.read-only-format', message, hint);
    }
    return driver;
  }

  #refuseBadSize(): void {
    const { sizeBytes, backing } = this.#options;
    if (sizeBytes === undefined && backing === undefined) {
      const hint = 'Give sizeBytes, or a backing image whose size is taken over.';
      throw this.#refused('invalid-argument', 'create.no-size', 'The disk has no size', hint);
    }
    if (sizeBytes !== undefined) this.#wholeSectors(sizeBytes);
  }

  /** Who gives a passphrase believes that the image is encrypted. */
  #refuseUnusedPassphrase({ id, encrypts }: FormatDriver): void {
    const { options = {}, passphrase } = this.#options;
    if (passphrase === undefined || encrypts?.(options) === true) return;
    const others = this.#drivers.filter((driver) => driver.encrypts !== undefined);
    throw this.#refused(
      'invalid-argument',
      'create.passphrase-unused',
      `A passphrase is given, but nothing says that the ${id} image is encrypted`,
      encrypts === undefined
        ? `Formats that can be encrypted: ${others.map((driver) => driver.id).join(', ')}.`
        : "Give the option 'encrypt.format'.",
    );
  }

  #wholeSectors(sizeBytes: number): number {
    const isSize = Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
    if (isSize && sizeBytes <= MAX_DISK_BYTES) {
      return alignUp(sizeBytes, SECTOR_BYTES);
    }
    throw this.#refused(
      'invalid-argument',
      'create.size',
      `The disk cannot be ${describeValue(sizeBytes)} bytes long`,
      `Give a whole number of bytes, of type number, up to ${MAX_DISK_BYTES}.`,
    );
  }

  *#newFile(path: string): Step<NewFile> {
    const { overwrite = false, durable = true } = this.#options;
    if (this.#paths.has(resolve(path))) throw this.#namedTwice(path);
    this.#paths.add(resolve(path));
    const file = yield* NewFile.create(path, { overwrite, durable, locking: this.#locking });
    this.#files.push(file);
    return file;
  }

  /** A further file, named by the caller, so no gate stands before it. */
  *#createNamed({ filename }: NamedFile): Step<NewFile['storage']> {
    const file = yield* this.#newFile(this.#pathOf(filename));
    this.#named.set(filename, file);
    return file.storage;
  }

  /** Host path of a name in the image. Not normalised: `..` after a symbolic link is the host's. */
  #pathOf(filename: string): string {
    return isAbsolute(filename) ? filename : dirname(this.#path) + sep + filename;
  }

  /** Replaced by the new image, the image below would be gone. What is no file is no such thing. */
  *#refuseItselfBelow(image: NewFile, name: string): Step<void> {
    let filename: string;
    try {
      ({ filename } = parseImageName(name, 'backing'));
    } catch (error) {
      if (error instanceof DiskError && error.code === 'unsupported') return;
      throw error;
    }
    const path = this.#pathOf(filename);
    const isItself =
      this.#paths.has(resolve(path)) ||
      (image.replaced !== undefined && (yield* isSameFile(path, this.#path)));
    if (isItself) throw this.#namedTwice(filename);
  }

  /** Looks into the backing image only for what the caller left out. */
  *#sizeAndBacking(
    image: NewFile,
  ): Step<{ sizeBytes: number; backing: BackingReference | undefined }> {
    const { sizeBytes, backing } = this.#options;
    if (backing === undefined) return { sizeBytes: sizeBytes!, backing };
    const { name, format } = backing;
    yield* this.#refuseItselfBelow(image, name);
    if (sizeBytes !== undefined && format !== undefined) {
      return { sizeBytes, backing: { name, format } };
    }
    const chain = yield* this.#openBacking(image, backing);
    const [below] = chain.layers;
    for (const storage of chain.storages) yield* closeStorage(storage);
    return {
      sizeBytes: sizeBytes ?? below!.sizeBytes,
      backing: { name, format: format ?? storedFormat(below!.format) },
    };
  }

  *#describeBacking(image: NewFile): Step<FormatDetails> {
    const { backing } = this.#options;
    if (backing === undefined) throw new Error('assertion failed: there is no backing image');
    const chain = yield* this.#openBacking(image, backing);
    for (const storage of chain.storages) yield* closeStorage(storage);
    return chain.layers[0]!.details();
  }

  *#openBacking(image: NewFile, backing: { name: string; format?: string }): Step<ImageChain> {
    const gate = this.#gate();
    const file = parseImageName(backing.name, 'backing');
    const storage = yield* gate.open({ file, namedBy: image.storage, writable: false });
    return yield* openChain(storage, {
      drivers: this.#drivers,
      decoders: decoders(),
      gate,
      limits: this.#limits,
      format: file.format ?? backing.format,
      snapshot: undefined,
      writable: false,
      followBacking: false,
    });
  }

  #namedTwice(path: string): DiskError {
    const message = `${quote(path)} would be one file of the new image and another one as well`;
    const hint = 'Give each file a name of its own.';
    return this.#refused('invalid-argument', 'create.names-itself', message, hint);
  }

  #gate(): OpenGate {
    const { gate = {} } = this.#options;
    return 'open' in gate ? gate : hostGate(gate, { locking: this.#locking });
  }

  #refused(
    code: 'invalid-argument' | 'unsupported',
    detail: string,
    message: string,
    hint: string,
  ): DiskError {
    return new DiskError(code, detail, message, { op: 'create', path: this.#path, hint });
  }

  #located(error: unknown): unknown {
    if (!(error instanceof DiskError)) return error;
    return error.addContext({ op: 'create', path: this.#path, format: this.#options.format });
  }
}

// eslint-disable-next-line require-yield
function* storageOf({ storage }: NewFile): Step<Storage> {
  return storage;
}
