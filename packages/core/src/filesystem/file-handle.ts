/** An open guest file. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument } from '../arguments.ts';
import { MappedReader } from '../engine/mapped-reader.ts';
import type { ExtentMap } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import { runAsync, runSync, type Step } from '../step.ts';
import type { FileStats } from './volume.ts';

/** A run of file bytes that is stored (`data`) or a hole, which reads as zeros. */
export interface FileExtent {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly data: boolean;
}

/**
 * Pieces of a file's map that one extent joins. A map can say the same of 2^32 blocks one by one,
 * and nobody waits for that.
 */
const MAX_MERGED_EXTENTS = 65_536;

export class FileHandle {
  readonly path: string;
  readonly stats: FileStats;
  readonly #map: ExtentMap;
  readonly #reader: MappedReader;

  constructor(path: string, stats: FileStats, map: ExtentMap, limits: Limits) {
    this.path = path;
    this.stats = stats;
    this.#map = map;
    this.#reader = new MappedReader([map], limits);
  }

  get sizeBytes(): number {
    return this.#map.sizeBytes;
  }

  /**
   * Fills `dst` from `offset` and returns how many bytes there were: fewer than asked only at the
   * end of the file, 0 past it.
   */
  async read(dst: Uint8Array, offset: number): Promise<number> {
    const there = this.#within(dst, offset);
    try {
      await this.#reader.read(there, offset);
    } catch (error) {
      throw this.#located(error, offset);
    }
    return there.length;
  }

  readSync(dst: Uint8Array, offset: number): number {
    const there = this.#within(dst, offset);
    try {
      this.#reader.readSync(there, offset);
    } catch (error) {
      throw this.#located(error, offset);
    }
    return there.length;
  }

  /** Stored runs and holes that tile the file exactly; very long ones come in several pieces. */
  async *extents(): AsyncGenerator<FileExtent> {
    for (let offset = 0; offset < this.sizeBytes;) {
      const extent = await runAsync(this.#extentAt(offset));
      yield extent;
      offset += extent.lengthBytes;
    }
  }

  *extentsSync(): Generator<FileExtent> {
    for (let offset = 0; offset < this.sizeBytes;) {
      const extent = runSync(this.#extentAt(offset));
      yield extent;
      offset += extent.lengthBytes;
    }
  }

  /** The run of stored bytes or of zeros that begins at `offset`, merged over the file's map. */
  *#extentAt(offset: number): Step<FileExtent> {
    let end = offset;
    let data: boolean | undefined;
    for (let merged = 0; merged < MAX_MERGED_EXTENTS && end < this.sizeBytes; merged++) {
      const { kind, lengthBytes } = yield* this.#reader.resolve(end, this.sizeBytes - end);
      data ??= kind !== 'zero';
      if (data !== (kind !== 'zero')) break;
      end += lengthBytes;
    }
    return { offset, lengthBytes: end - offset, data: data ?? false };
  }

  #within(dst: Uint8Array, offset: number): Uint8Array {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new DiskError('out-of-range', 'filesystem.offset', `${offset} is no file offset`, {
        op: 'read',
        guestPath: this.path,
      });
    }
    checkArgument('read', 'dst', dst, 'bytes');
    const lengthBytes = Math.max(0, Math.min(dst.length, this.sizeBytes - offset));
    return lengthBytes === dst.length ? dst : dst.subarray(0, lengthBytes);
  }

  #located(error: unknown, offset: number): unknown {
    if (!(error instanceof DiskError)) return error;
    return error.addContext({ op: 'read', guestPath: this.path, offset, layer: 'filesystem' });
  }
}
