/** The making of a new image. */
import { basename } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import {
  type BackingReference,
  checkOptions,
  closeStorage,
  createImageDisk,
  type DiskFile,
  findDriver,
  type FormatDetails,
  type FormatDriver,
  type FormatImage,
  type ImageChain,
  type Limits,
  openChain,
  type OpenGate,
  parseImageName,
  type Step,
} from '@diskfile/core';
import { hostGate, type ImageLocking, type NewFile } from '@diskfile/storage';
import { thenClose } from '../chain/disk-steps.ts';
import { storedFormat } from '../chain/stored-format.ts';
import { ALL_FORMATS } from '../formats.ts';
import { checkedLimits } from '../open/limits.ts';
import { passphraseBytes } from '../open/passphrases.ts';
import { unlessAborted } from '../workers/aborted.ts';
import { checkBacking, type CreateDiskFileOptions, CREATING_KINDS } from './create-options.ts';
import { checkSize, creatingDriver, passphraseUnused, wholeSectors } from './creation-checks.ts';
import { NewFiles } from './new-files.ts';

/** What is written to a new image before it appears. */
export interface Filling {
  /** `image` is the only one of the disk's chain that can be written. */
  readonly fill: (disk: DiskFile, image: FormatImage) => Step<void>;
  /** The files that it reads. */
  readonly sourcePaths: () => readonly string[];
}

/** One new image, from what is asked for to its name. */
export class Creation {
  readonly #path: string;
  readonly #filling: Filling | undefined;
  readonly #options: CreateDiskFileOptions;
  readonly #drivers: readonly FormatDriver[];
  readonly #limits: Limits;
  readonly #locking: ImageLocking;
  readonly #files: NewFiles;

  constructor(path: string, options: CreateDiskFileOptions, filling?: Filling) {
    checkOptions('create', options, CREATING_KINDS, ['format']);
    checkBacking('create', options.backing);
    this.#path = path;
    this.#filling = filling;
    this.#options = options;
    this.#drivers = options.formats ?? ALL_FORMATS;
    this.#limits = checkedLimits(options.limits);
    this.#locking = { forceShare: options.forceShare ?? false, warn: () => {} };
    const { overwrite = false, durable = true } = options;
    const isRaw = findDriver(this.#drivers, String(options.format))?.id === 'raw';
    // A raw disk is whatever its device holds; only where it is filled, the rest of it is zeros.
    const inPlace = { keepsContent: isRaw && filling === undefined };
    this.#files = new NewFiles(path, { overwrite, durable, inPlace, locking: this.#locking });
  }

  *run(): Step<void> {
    const { format, options = {}, passphrase } = this.#options;
    const driver = creatingDriver(this.#path, this.#drivers, format);
    checkSize(this.#path, this.#options);
    try {
      if (passphrase !== undefined && driver.encrypts?.(options) !== true) {
        throw passphraseUnused(this.#path, this.#drivers, driver);
      }
      const image = yield* this.#files.begin(this.#path);
      if (image.isInPlace && this.#filling !== undefined) {
        yield* this.#files.refuseItselfRead(image, this.#filling.sourcePaths());
      }
      const { sizeBytes, backing } = yield* this.#sizeAndBacking(image);
      const [bytes] = this.#passphrases;
      const creation = driver.create({
        storage: image.storage,
        fileName: basename(this.#path),
        sizeBytes: wholeSectors(this.#path, sizeBytes),
        options,
        backing,
        ...(bytes === undefined ? {} : { passphrase: bytes }),
        ...(backing === undefined ? {} : { describeBacking: () => this.#describeBacking(image) }),
        createNamed: (file) => this.#files.beginNamed(file),
      });
      yield* unlessAborted(creation, this.#options.signal, this.#path);
      if (this.#filling !== undefined) yield* this.#fillDisk(image, this.#filling);
      yield* this.#files.publish();
    } catch (error) {
      yield* this.#files.discard();
      throw this.#located(error);
    }
  }

  *#fillDisk(image: NewFile, { fill }: Filling): Step<void> {
    const chain = yield* openChain(image.storage, {
      drivers: this.#drivers,
      decoders: decoders(),
      gate: this.#files.before(this.#gate()),
      limits: this.#limits,
      format: this.#options.format,
      snapshot: undefined,
      passphrases: this.#passphrases,
      secrets: this.#options.secrets,
      writable: true,
      followBacking: true,
    });
    const disk = createImageDisk(chain, {
      limits: this.#limits,
      encoders: encoders(),
      opening: undefined,
    });
    yield* thenClose(disk, fill(disk, chain.layers[0]!));
  }

  get #passphrases(): (Uint8Array | undefined)[] {
    return passphraseBytes(this.#options.passphrase);
  }

  /** Looks into the backing image only for what the caller left out. */
  *#sizeAndBacking(
    image: NewFile,
  ): Step<{ sizeBytes: number; backing: BackingReference | undefined }> {
    const { sizeBytes, backing } = this.#options;
    if (backing === undefined) return { sizeBytes: sizeBytes!, backing };
    const { name, format } = backing;
    yield* this.#files.refuseItselfBelow(image, name);
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

  #gate(): OpenGate {
    const { gate = {} } = this.#options;
    return 'open' in gate ? gate : hostGate(gate, { locking: this.#locking });
  }

  #located(error: unknown): unknown {
    if (!(error instanceof DiskError)) return error;
    const context = { op: 'create', path: this.#path, format: this.#options.format };
    if (error.detail !== 'storage.exists') return error.addContext(context);
    const { code, detail, message, cause } = error;
    const hint = 'Choose another name, or give overwrite: true.';
    return new DiskError(code, detail, message, { ...context, ...error.context, cause, hint });
  }
}
