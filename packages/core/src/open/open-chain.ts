/** From one storage to a chain of images: probe, open, follow backing files through the gate. */
import { DiskError } from '@diskfile/bytes';
import {
  findDriver,
  type FormatDriver,
  type FormatTuning,
  type OpenContext,
} from '../format/format-driver.ts';
import type { DiskWarning } from '../format/disk-warning.ts';
import type { FormatImage } from '../format/format-image.ts';
import type { ImageWriter } from '../format/image-writer.ts';
import type { Limits } from '../limits.ts';
import { abandonStorages, type Storage } from '../storage.ts';
import type { Step } from '../step.ts';
import type { OpenChainOptions } from './chain-options.ts';
import {
  chainCycle,
  chainTooLong,
  namesItself,
  nestedTooDeeply,
  noDisks,
  notWritable,
  unknownFormat,
} from './chain-refusals.ts';
import { probeStorage } from './probe.ts';
import {
  type BackingReference,
  type NamedFile,
  type ParsedName,
  parseImageName,
} from './reference.ts';

/** An opened image and those below it, and every storage that has to be closed with them. */
export interface ImageChain {
  /** The opened image first, its backing image next. */
  readonly layers: readonly FormatImage[];
  readonly storages: readonly Storage[];
  readonly warnings: readonly DiskWarning[];
}

/**
 * Opens the image in `storage` and its backing chain. The chain owns `storage` from the call on:
 * when opening fails, it is closed.
 */
export function* openChain(storage: Storage, options: OpenChainOptions): Step<ImageChain> {
  const opening = new ChainOpening(storage, options);
  try {
    return yield* opening.run();
  } catch (error) {
    if (error instanceof DiskError && opening.depth > 0) error.addContext({ depth: opening.depth });
    yield* opening.closeWriters();
    yield* abandonStorages(opening.storages);
    throw error;
  }
}

/** Containers within containers: more of them are a trap. */
const MAX_NESTING = 4;

/** A parent under another name may be there where one is not, or must not be opened. */
const MISSING: ReadonlySet<string> = new Set(['not-found', 'denied']);

/** Where there are other names, a path with a drive of Windows is none of a protocol. */
function isMissing({ code, detail }: DiskError, alternatives: number): boolean {
  return MISSING.has(code) || (detail === 'reference.protocol' && alternatives > 0);
}

/** Images of a chain that keep as many tables in memory as the limits allow; all others keep few. */
const FULL_CACHES = 16;

/** How one image is opened, as its context will say. */
interface ImageOpening {
  readonly format: string | undefined;
  readonly snapshot: string | undefined;
  readonly passphrase: Uint8Array | undefined;
  readonly tuning: FormatTuning | undefined;
  readonly disk: string | undefined;
  readonly writable: boolean;
  readonly hasBelow: boolean;
  /** How many containers it is within. */
  readonly nesting: number;
  openNamed(file: NamedFile): Step<Storage>;
}

class ChainOpening {
  readonly storages: Storage[];
  readonly #options: OpenChainOptions;
  readonly #layers: FormatImage[] = [];
  /** Of the images opened for writing. */
  readonly #writers: ImageWriter[] = [];
  readonly #warnings: DiskWarning[];

  constructor(storage: Storage, options: OpenChainOptions) {
    this.storages = [storage];
    this.#options = options;
    this.#warnings = options.warnings ?? [];
  }

  /** Depth of the image that is being opened. */
  get depth(): number {
    return this.#layers.length;
  }

  /**
   * Takes away the marks of use that images got with being opened for writing: another image of the
   * chain could not be opened. What a writer cannot write stays, as after a loss of power.
   */
  *closeWriters(): Step<void> {
    for (const writer of this.#writers) {
      try {
        yield* writer.flush();
        yield* writer.close();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
      }
    }
  }

  *run(): Step<ImageChain> {
    let storage = this.storages[0]!;
    let { format, snapshot, below } = this.#options;
    let secret: string | undefined;
    const visited = new Set<string>();
    for (;;) {
      this.#refuseCycle(storage, visited);
      const hasBelow = below !== undefined && below !== null;
      const image = yield* this.#openImage(storage, { format, snapshot, secret, hasBelow });
      this.#checkParent(storage, image);
      this.#layers.push(image);
      if (below === undefined && !this.#options.followBacking) break;
      if (below === null || (below === undefined && image.backing === undefined)) break;
      snapshot = undefined;
      this.#refuseLongChain(storage);
      if (below === undefined) {
        ({ storage, format, secret } = yield* this.#openBacking(storage, image, image.backing!));
      } else {
        secret = undefined;
        format = below.format ?? image.backing?.format;
        const writable = this.#isWritten(this.#layers.length);
        storage = yield* below.open(storage, image.backing, writable);
        this.storages.push(storage);
        below = below.below;
      }
    }
    return { layers: this.#layers, storages: this.storages, warnings: this.#warnings };
  }

  /** Lets the image above judge whether this is the one that it was made over. */
  #checkParent(storage: Storage, image: FormatImage): void {
    const above = this.#layers.at(-1);
    withContext(storage, image.format, () => above?.checkBacking?.(image));
  }

  *#openBacking(
    namedBy: Storage,
    above: FormatImage,
    backing: BackingReference,
  ): Step<{ storage: Storage } & Pick<ParsedName, 'format' | 'secret'>> {
    const { name, alternatives = [], format } = backing;
    let missing: unknown;
    for (const each of [name, ...alternatives]) {
      try {
        const parsed = withContext(namedBy, above.format, () => parseImageName(each, 'backing'));
        const writable = this.#isWritten(this.#layers.length);
        const storage =
          above.openNamed === undefined
            ? yield* this.#openNamed(namedBy, parsed, writable)
            : yield* this.#keep(above.openNamed(parsed));
        return { storage, format: parsed.format ?? format, secret: parsed.secret };
      } catch (error) {
        if (!(error instanceof DiskError) || !isMissing(error, alternatives.length)) throw error;
        missing ??= error;
      }
    }
    throw missing;
  }

  #isWritten(depth: number): boolean {
    const { writable, writableDepth } = this.#options;
    return depth === 0 ? writable : depth === writableDepth;
  }

  *#openImage(
    storage: Storage,
    {
      secret,
      ...how
    }: Pick<ImageOpening, 'format' | 'snapshot' | 'hasBelow'> & Pick<ParsedName, 'secret'>,
  ): Step<FormatImage> {
    const writable = this.#isWritten(this.#layers.length);
    const openNamed = (file: NamedFile) => this.#openNamed(storage, file, writable);
    const isFirst = this.#layers.length === 0;
    const disk = isFirst ? this.#options.disk : undefined;
    const { tuning: first } = this.#options;
    const tuning = isFirst || first === undefined ? first : { asQemu: first.asQemu ?? false };
    const { passphrases, secrets } = this.#options;
    const named = secret === undefined ? undefined : secrets?.get(secret);
    const passphrase = passphrases?.[this.#layers.length] ?? named;
    const asked = { ...how, passphrase, tuning, disk, writable };
    const opening = { ...asked, nesting: 0, openNamed };
    const image = yield* this.#openWith(storage, opening);
    if (disk !== undefined && image.disks === undefined) throw noDisks(storage, image.format, disk);
    return image;
  }

  *#openWith(storage: Storage, opening: ImageOpening): Step<FormatImage> {
    const { format, nesting, openNamed, ...asked } = opening;
    const driver =
      format === undefined
        ? yield* probeStorage(storage, this.#options.drivers)
        : this.#driverNamed(format, storage);
    const context: OpenContext = {
      ...asked,
      storage,
      decoders: this.#options.decoders,
      limits: this.#limitsHere(),
      warn: (warning) => this.#warnings.push(warning),
      openNamed,
      supplies: (role) => this.#options.gate.supplies?.(role, storage) === true,
      openInner: (inner, options = {}) => {
        if (nesting === MAX_NESTING) throw nestedTooDeeply(MAX_NESTING);
        const beside = options.openNamed;
        return this.#openInner(inner, {
          ...opening,
          format: undefined,
          writable: false,
          nesting: nesting + 1,
          openNamed: beside === undefined ? openNamed : (file) => this.#keep(beside(file)),
        });
      },
    };
    try {
      // Those that can be made are written while they are new.
      const isOnlyRead = !driver.abilities.write && driver.create === undefined;
      if (context.writable && isOnlyRead) throw notWritable(driver.id);
      const image = yield* driver.open(context);
      if (!context.writable) return image;
      if (image.writer === undefined) throw notWritable(driver.id);
      this.#writers.push(image.writer);
      return image;
    } catch (error) {
      if (error instanceof DiskError) {
        error.addContext({ op: 'open', path: storage.name, format: driver.id, layer: 'format' });
      }
      throw error;
    }
  }

  *#openInner(storage: Storage, opening: ImageOpening): Step<FormatImage> {
    this.storages.push(storage);
    return yield* this.#openWith(storage, opening);
  }

  *#keep(opening: Step<Storage>): Step<Storage> {
    const storage = yield* opening;
    this.storages.push(storage);
    return storage;
  }

  *#openNamed(namedBy: Storage, file: NamedFile, writable: boolean): Step<Storage> {
    const opened = yield* this.#options.gate.open({ file, namedBy, writable });
    this.storages.push(opened);
    if (opened.identity !== undefined && opened.identity === namedBy.identity) {
      throw namesItself(namedBy, file.role);
    }
    return opened;
  }

  #driverNamed(format: string, storage: Storage): FormatDriver {
    const { drivers } = this.#options;
    const driver = findDriver(drivers, format);
    if (driver !== undefined) return driver;
    throw unknownFormat(storage, format, drivers);
  }

  #refuseCycle(storage: Storage, visited: Set<string>): void {
    const { identity } = storage;
    if (identity === undefined) return;
    if (visited.has(identity)) throw chainCycle(storage);
    visited.add(identity);
  }

  /** What all images of a chain keep together stays bounded, however long it is. */
  #limitsHere(): Limits {
    const { limits } = this.#options;
    if (this.#layers.length < FULL_CACHES) return limits;
    return { ...limits, metadataCacheBytes: Math.floor(limits.metadataCacheBytes / FULL_CACHES) };
  }

  #refuseLongChain(storage: Storage): void {
    const { maxChainLength } = this.#options.limits;
    if (this.#layers.length >= maxChainLength) throw chainTooLong(storage, maxChainLength);
  }
}

function withContext<T>(storage: Storage, format: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof DiskError) error.addContext({ op: 'open', path: storage.name, format });
    throw error;
  }
}
