/** Opens the extents that the lines of a descriptor name, within the bounds of one image. */
import { DiskError } from '@diskfile/bytes';
import { foreignFileName, type Limits, type Step, type Storage } from '@diskfile/core';
import type { ExtentLine } from './descriptor.ts';
import {
  closedExtent,
  type ExtentSource,
  flatExtent,
  openSparse,
  type PartsContext,
  zeroExtent,
} from './extents.ts';
import { leastBytes } from './grain-tables.ts';
import { corrupt, unsupported } from './refusals.ts';

const SPARSE_TYPES = new Set(['SPARSE', 'VMFSSPARSE', 'SESPARSE']);
const FLAT_TYPES = new Set(['FLAT', 'VMFS']);
/** Of errors: the file is not there, or not to be opened. */
const ELSEWHERE: ReadonlySet<string> = new Set(['not-found', 'denied']);
/** Pages of a directory and of tables, one of each at least. */
const SE_SPARSE_BYTES = 2 * 64 * 1024;

export class ExtentOpening {
  readonly #context: PartsContext;
  readonly #hasParent: boolean;
  /** Files by their names: a descriptor may name one in thousands of lines. */
  readonly #files = new Map<string, Storage>();
  /** What sparse extents lie in. */
  readonly #sparseFiles = new Set<Storage | string>();
  readonly #cacheBytes: number;
  /** What directories may still take, and a table of each extent. */
  #structureBytes: number;

  constructor(context: PartsContext, lines: readonly ExtentLine[], hasParent: boolean) {
    const { limits } = context;
    const sparse = lines.filter(({ type }) => SPARSE_TYPES.has(type)).length;
    this.#context = context;
    this.#hasParent = hasParent;
    this.#cacheBytes = Math.floor(limits.metadataCacheBytes / Math.max(1, sparse));
    this.#structureBytes = limits.maxStructureBytes;
  }

  *open(line: ExtentLine): Step<ExtentSource> {
    if (line.access === 'NOACCESS') return closedExtent(line.sizeBytes);
    if (line.type === 'ZERO') return zeroExtent(line.sizeBytes, this.#hasParent);
    if (FLAT_TYPES.has(line.type)) {
      return flatExtent(this.#context, yield* this.#file(line), line);
    }
    if (SPARSE_TYPES.has(line.type)) return yield* this.#sparse(yield* this.#file(line), line);
    throw unsupported(
      'vmdk.extent-type',
      `The disk has an extent of the type ${line.type}`,
      'Files can be read; whole devices of the host cannot.',
    );
  }

  *#sparse(storage: Storage, { sizeBytes }: ExtentLine): Step<ExtentSource> {
    this.#refuseSecondUse(storage);
    const source = yield* openSparse(this.#context, storage, {
      sizeBytes,
      hasParent: this.#hasParent,
      limits: this.#limits(),
    });
    const { sparse } = source;
    this.#structureBytes -= sparse === undefined ? SE_SPARSE_BYTES : leastBytes(sparse.header);
    if (this.#structureBytes >= 0) return source;
    throw new DiskError(
      'limit',
      'vmdk.extent-tables',
      `The tables of the extents take more than ${this.#context.limits.maxStructureBytes} bytes`,
      { hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
    );
  }

  #limits(): Limits {
    return {
      ...this.#context.limits,
      metadataCacheBytes: this.#cacheBytes,
      maxStructureBytes: Math.max(0, this.#structureBytes),
    };
  }

  /** Two that allocate grains in one file would give each other's away. */
  #refuseSecondUse(storage: Storage): void {
    const file = storage.identity ?? storage;
    if (this.#context.writable && this.#sparseFiles.has(file)) {
      throw corrupt('vmdk.extent-twice', 'Two extents of the disk are in the same file', 0);
    }
    this.#sparseFiles.add(file);
  }

  *#file({ filename }: ExtentLine): Step<Storage> {
    if (filename === undefined || filename === '') {
      throw corrupt('vmdk.extent-name', 'An extent of the disk has no name', 0);
    }
    const known = this.#files.get(filename);
    if (known !== undefined) return known;
    const storage = yield* this.#open(filename);
    this.#files.set(filename, storage);
    return storage;
  }

  /** A path of the machine that the disk was made on may mean nothing here: then its name counts. */
  *#open(filename: string): Step<Storage> {
    const file = { role: 'extent', filename, offset: 0, lengthBytes: undefined } as const;
    const lastName = foreignFileName(filename);
    try {
      return yield* this.#context.openNamed(file);
    } catch (error) {
      const isElsewhere = error instanceof DiskError && ELSEWHERE.has(error.code);
      if (!isElsewhere || lastName === filename || lastName === '') throw error;
      try {
        return yield* this.#context.openNamed({ ...file, filename: lastName });
      } catch {
        throw error;
      }
    }
  }
}
