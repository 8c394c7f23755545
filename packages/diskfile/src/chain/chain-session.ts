/** The images of one piece of work on a chain: opened, locked, and closed together. */
import { DiskError } from '@diskfile/bytes';
import { decoders } from '@diskfile/codec';
import {
  type BackingReference,
  closeStorage,
  createImageDisk,
  type DiskFile,
  type DiskWarning,
  type FormatImage,
  type ImageChain,
  isWritable,
  type Limits,
  openChain,
  type OpenGate,
  parseImageName,
  type ParsedName,
  type Step,
  type Storage,
} from '@diskfile/core';
import { hostGate, type ImageLocking, nodeHostFiles } from '@diskfile/storage';
import { ALL_FORMATS } from '../formats.ts';
import { BlockOptions } from '../graph/options/block-options.ts';
import { type DescribedBelow, withoutFilters } from '../graph/described-below.ts';
import type { DescribedImage } from '../graph/nodes/format-node.ts';
import { faultyGate } from '../graph/blkdebug/faulty-gate.ts';
import { GraphOpening } from '../graph/graph-opening.ts';
import { UserObjects } from '../graph/user-objects.ts';
import { openHostFile } from '../open/host-file.ts';
import { imageTarget } from '../open/image-target.ts';
import { checkedLimits } from '../open/limits.ts';
import { passphraseBytes } from '../open/passphrases.ts';
import { refuseAborted } from '../workers/aborted.ts';
import type { ChainOptions } from './chain-options.ts';
import { closeDisk } from './disk-steps.ts';

/** A graph describes the image, and what lies below it where it says so. */
export type ChainTarget = string | URL | Storage | BlockOptions;

/** An image, or part of a chain, in the hands of the work. */
export interface OpenedChain {
  /** All layers as one disk. */
  readonly disk: DiskFile;
  /** The image first, what is below it next. */
  readonly layers: readonly FormatImage[];
  /** What the caller has said of the image below the first one, if anything. */
  readonly below: DescribedBelow | null | undefined;
}

export interface ChainAccess {
  readonly writable: boolean;
  /** See `OpenChainOptions`. */
  readonly writableDepth?: number;
  readonly followBacking?: boolean;
  /** Whether to find out the format although the caller of the work has stated one. */
  readonly probe?: boolean;
}

interface LayerAccess extends ChainAccess {
  readonly passphrases?: readonly (Uint8Array | undefined)[];
  readonly below?: DescribedBelow | null | undefined;
  readonly gate?: OpenGate;
}

export class ChainSession {
  readonly warnings: DiskWarning[] = [];
  readonly #op: string;
  readonly #options: ChainOptions;
  readonly #limits: Limits;
  readonly #gate: OpenGate;
  readonly #locking: ImageLocking;
  /** In the order of opening. */
  #disks: DiskFile[] = [];

  constructor(op: string, options: ChainOptions) {
    const { forceShare = false } = options;
    this.#op = op;
    this.#options = options;
    this.#limits = checkedLimits(options.limits);
    this.#locking = { forceShare, warn: (warning) => void this.warnings.push(warning) };
    this.#gate = this.#makeGate(this.#locking);
  }

  /** Opens an image and its chain. A storage is closed with the session. */
  *open(target: ChainTarget, access: ChainAccess): Step<OpenedChain> {
    const { writable } = access;
    const image = yield* this.#imageOf(target, access);
    const { storage } = image;
    if (writable && !isWritable(storage)) {
      yield* closeStorage(storage);
      throw new DiskError('unsupported', 'open.storage-read-only', 'The storage can only be read', {
        path: storage.name,
      });
    }
    const format = access.probe === true ? undefined : image.format;
    return yield* this.#openChain(storage, format, { ...image, ...access });
  }

  *#imageOf(target: ChainTarget, { writable }: ChainAccess): Step<DescribedImage> {
    if (target instanceof BlockOptions) return yield* this.#describedImage(target, writable);
    const image = imageTarget(this.#op, target);
    const storage =
      typeof image === 'string'
        ? yield* openHostFile(image, { writable, locking: this.#locking })
        : image;
    const { format, passphrase } = this.#options;
    return { storage, format, passphrases: passphraseBytes(passphrase) };
  }

  *#describedImage(graph: BlockOptions, writable: boolean): Step<DescribedImage> {
    const { objects = new UserObjects(), forceShare = false, asQemu = false } = this.#options;
    const opening = new GraphOpening({
      formats: this.#options.formats ?? ALL_FORMATS,
      limits: this.#limits,
      makeGate: (locking) => this.#makeGate(locking),
      objects,
      followBacking: true,
      snapshot: undefined,
      asQemu,
    });
    const access = { writable, forceShare, discards: true };
    const image = yield* opening.openFile(withoutFilters(graph), access);
    this.warnings.push(...opening.warnings);
    for (const begin of opening.onceOpened) begin();
    return image;
  }

  #makeGate(locking: ImageLocking): OpenGate {
    const { gate = {} } = this.#options;
    return faultyGate('open' in gate ? gate : hostGate(gate, { locking }));
  }

  /** What an image is by itself; its storage stays open, unless this fails. */
  *inspect(storage: Storage): Step<FormatImage> {
    const { layers, storages } = yield* this.#openLayers(storage, this.#options.format, {
      writable: false,
      followBacking: false,
    });
    for (const other of storages.slice(1)) yield* closeStorage(other);
    return layers[0]!;
  }

  /** Opens what `reference` means when `image` names it, with its chain, for reading. */
  *openBelow(image: OpenedChain, { name, format }: BackingReference): Step<OpenedChain> {
    const namedBy = image.layers[0]!.storages[0]!;
    const file = parseImageName(name, 'backing');
    let below: OpenedChain;
    try {
      const storage = yield* this.#gate.open({ file, namedBy, writable: false });
      below = yield* this.#openChain(storage, file.format ?? format, {
        writable: false,
        passphrases: [this.#secretNamed(file)],
      });
    } catch (error) {
      if (yield* isAbout(error, namedBy)) throw namesItself(namedBy, error);
      throw error;
    }
    const { identity } = namedBy;
    const all = below.layers.flatMap(({ storages }) => storages);
    if (identity !== undefined && all.some((storage) => storage.identity === identity)) {
      throw namesItself(namedBy);
    }
    return below;
  }

  #secretNamed({ secret }: ParsedName): Uint8Array | undefined {
    return secret === undefined ? undefined : this.#options.secrets?.get(secret);
  }

  *#openChain(
    storage: Storage,
    format: string | undefined,
    access: LayerAccess,
  ): Step<OpenedChain> {
    const chain = yield* this.#openLayers(storage, format, access);
    return { disk: this.#keep(chain), layers: chain.layers, below: access.below };
  }

  *#openLayers(
    storage: Storage,
    format: string | undefined,
    { writable, writableDepth, followBacking = true, passphrases = [], ...described }: LayerAccess,
  ): Step<ImageChain> {
    const chain = yield* openChain(storage, {
      drivers: this.#options.formats ?? ALL_FORMATS,
      decoders: decoders(),
      gate: described.gate ?? this.#gate,
      limits: this.#limits,
      format,
      snapshot: undefined,
      tuning: { asQemu: this.#options.asQemu ?? false },
      writable,
      ...(writableDepth === undefined ? {} : { writableDepth }),
      followBacking,
      passphrases,
      secrets: this.#options.secrets,
      ...(described.below === undefined ? {} : { below: described.below }),
    });
    this.warnings.push(...chain.warnings);
    return chain;
  }

  /** The lower part of an opened chain as a disk of its own; it is written separately. */
  lowerPart({ layers }: OpenedChain, depth: number): DiskFile {
    return this.#keep({ layers: layers.slice(depth), storages: [], warnings: [] });
  }

  #keep(chain: ImageChain): DiskFile {
    const disk = createImageDisk(chain, { limits: this.#limits, opening: undefined });
    this.#disks.push(disk);
    return disk;
  }

  /** Reports progress, and ends the work when its caller wants that. */
  reached(doneBytes: number, totalBytes: number): void {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted === true) refuseAborted(signal, this.#disks[0]!.name);
    onProgress?.({ doneBytes, totalBytes });
  }

  /** Writes out and closes everything, what was opened last first. */
  *close(): Step<void> {
    const disks = this.#disks.toReversed();
    this.#disks = [];
    let failure: { readonly error: unknown } | undefined;
    for (const disk of disks) {
      try {
        yield* closeDisk(disk);
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  /** After a failure, which is what matters: closing may well fail for the same reason. */
  *abandon(): Step<void> {
    try {
      yield* this.close();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  located(error: unknown): unknown {
    return error instanceof DiskError ? error.addContext({ op: this.#op }) : error;
  }
}

/** One piece of work, to be driven either way. */
export function* inSession<T>(
  op: string,
  options: ChainOptions,
  body: (session: ChainSession) => Step<T>,
): Step<T> {
  const session = new ChainSession(op, options);
  let result: T;
  try {
    result = yield* body(session);
  } catch (error) {
    yield* session.abandon();
    throw session.located(error);
  }
  yield* session.close();
  return result;
}

/** Whether a file could not be opened because it is the image itself, which is in use here. */
function* isAbout(error: unknown, { identity }: Storage): Step<boolean> {
  if (!(error instanceof DiskError) || error.code !== 'busy') return false;
  const { path } = error.context;
  if (path === undefined || identity === undefined) return false;
  return (yield* nodeHostFiles.status(path)).identity === identity;
}

function namesItself({ name }: Storage, cause?: unknown): DiskError {
  return new DiskError(
    'invalid-argument',
    'chain.names-itself',
    'The image would come to lie below itself',
    { path: name, ...(cause === undefined ? {} : { cause }) },
  );
}
