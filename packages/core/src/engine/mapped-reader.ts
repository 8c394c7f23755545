/**
 * The engine's reading half: bytes out of any stack of {@link ExtentMap}s, be they the images of a
 * backing chain or the block map of one guest file.
 */
import type { DiskError } from '@diskfile/bytes';
import type { ExtentMap } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import { runAsync, runSync, type Step } from '../step.ts';
import { announce, type Storage } from '../storage.ts';
import { BufferPool } from './buffer-pool.ts';
import { dataStatus } from './data-status.ts';
import { Extent } from './extent.ts';
import { ReadBatch } from './read-batch.ts';
import { UnitCache } from './unit-cache.ts';

/** Gathered host work is done once this many guest bytes wait: what bounds memory in flight. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** One piece of work for {@link MappedReader.readManyStep}. */
export interface GuestRead {
  readonly guestOffset: number;
  readonly dst: Uint8Array;
}

export class MappedReader {
  readonly #maps: readonly ExtentMap[];
  readonly #pool = new BufferPool();
  readonly #cache: UnitCache;
  /**
   * Filled by {@link #tryResolve} and used up before the next pause, so that operations which
   * overlap in time can share it.
   */
  readonly #extent = new Extent();
  /** Files of the layers, from the top on, where one of them wants to be told of reads below it. */
  readonly #watched: readonly Storage[] | undefined;
  /** The layer that could not answer, and how much of the range it was asked for. */
  readonly #miss = { depth: 0, lengthBytes: 0 };

  /** What is below this layer is not to be read. */
  readonly #fault: { readonly depth: number; readonly error: DiskError } | undefined;

  /**
   * @param maps the top layer first; what all of them call `backing` reads as zeros.
   * @param files of the layers, where those are images
   */
  constructor(maps: readonly ExtentMap[], limits: Limits, files: readonly Storage[] = []) {
    this.#maps = maps;
    this.#watched = files.some(({ events }) => events !== undefined) ? files : undefined;
    this.#cache = new UnitCache(limits.decodedCacheBytes);
    const depth = maps.findIndex(({ belowFault }) => belowFault !== undefined);
    this.#fault = depth === -1 ? undefined : { depth, error: maps[depth]!.belowFault! };
  }

  get sizeBytes(): number {
    return this.#maps[0]!.sizeBytes;
  }

  /** Drops decoded units: the host space that they came from may hold something else now. */
  forgetDecoded(): void {
    this.#cache.clear();
  }

  /** Fills `dst`; the range has been checked against {@link sizeBytes}. */
  readSync(dst: Uint8Array, guestOffset: number): void {
    if (dst.length === 0) return;
    const extent = this.#extent;
    if (this.#isWhole(guestOffset, dst.length)) {
      this.#refuseBelowFault(extent);
      if (extent.kind === 'data') return extent.storage!.readSync(dst, extent.hostOffset);
      if (extent.kind === 'zero') return void dst.fill(0);
    }
    runSync(this.readStep(dst, guestOffset));
  }

  /** The asynchronous form of {@link readSync}. */
  read(dst: Uint8Array, guestOffset: number): Promise<void> {
    if (dst.length === 0) return Promise.resolve();
    const extent = this.#extent;
    if (this.#fault === undefined && this.#isWhole(guestOffset, dst.length)) {
      if (extent.kind === 'data') return extent.storage!.read(dst, extent.hostOffset);
    }
    return runAsync(this.readStep(dst, guestOffset));
  }

  /** Whether one answer from memory is all that there is to a read. */
  #isWhole(guestOffset: number, lengthBytes: number): boolean {
    if (this.#watched !== undefined || !this.#tryResolve(guestOffset, lengthBytes)) return false;
    return this.#extent.lengthBytes === lengthBytes;
  }

  *readStep(dst: Uint8Array, guestOffset: number): Step<void> {
    const batch = new ReadBatch(this.#pool, this.#cache);
    yield* this.#gather(batch, dst, guestOffset);
    yield* batch.run();
  }

  /** Each layer above the one that answers turns to the one below it. */
  *#tellOfBacking(files: readonly Storage[], depth: number): Step<void> {
    for (const file of files.slice(0, depth)) yield* announce(file, 'read_backing_aio');
  }

  /** Reads many ranges as one piece of host work. */
  *readManyStep(reads: readonly GuestRead[]): Step<void> {
    const batch = new ReadBatch(this.#pool, this.#cache);
    const byOffset = reads.toSorted((a, b) => a.guestOffset - b.guestOffset);
    for (const { dst, guestOffset } of byOffset) yield* this.#gather(batch, dst, guestOffset);
    yield* batch.run();
  }

  *#gather(batch: ReadBatch, dst: Uint8Array, guestOffset: number): Step<void> {
    let at = 0;
    while (at < dst.length) {
      const extent = yield* this.resolve(guestOffset + at, dst.length - at);
      this.#refuseBelowFault(extent);
      const end = at + extent.lengthBytes;
      const { depth } = extent;
      batch.add(extent, at === 0 && end === dst.length ? dst : dst.subarray(at, end));
      if (this.#watched !== undefined) yield* this.#tellOfBacking(this.#watched, depth);
      at = end;
      if (batch.pendingBytes >= BATCH_BYTES) yield* batch.run();
    }
  }

  #refuseBelowFault({ depth, allocated }: Extent): void {
    const fault = this.#fault;
    if (fault !== undefined && (depth > fault.depth || !allocated)) throw fault.error;
  }

  /**
   * Where the bytes at `guestOffset` live, through all layers. The extent is the reader's own and
   * holds until the caller next pauses.
   */
  *resolve(guestOffset: number, lengthBytes: number): Step<Extent> {
    let found = this.#tryResolve(guestOffset, lengthBytes);
    while (!found) {
      const { depth, lengthBytes: remaining } = this.#miss;
      yield* this.#maps[depth]!.load(guestOffset);
      // Goes on where it stopped: the layers above have answered, and what they answered from may
      // have been pushed out meanwhile by other operations.
      found = this.#tryResolve(guestOffset, remaining, depth);
      if (!found && this.#miss.depth === depth) {
        throw new Error(`assertion failed: lookup at ${guestOffset} misses after load`);
      }
    }
    return this.#extent;
  }

  /**
   * Whether a range is known to read as zeros without being read.
   * @param holesBelow whether holes of the files below count, or the tables alone
   */
  *isZero(guestOffset: number, lengthBytes: number, holesBelow = false): Step<boolean> {
    for (let done = 0; done < lengthBytes;) {
      const extent = yield* this.resolve(guestOffset + done, lengthBytes - done);
      this.#refuseBelowFault(extent);
      const { depth } = extent;
      const isAsked = holesBelow && depth > 0;
      const status = isAsked ? dataStatus(extent, this.#maps[depth]!) : undefined;
      if (!(status?.zero ?? extent.kind === 'zero')) return false;
      done += status?.lengthBytes ?? extent.lengthBytes;
    }
    return true;
  }

  /** False when a layer's table is not in memory; {@link #miss} then says which. */
  #tryResolve(guestOffset: number, lengthBytes: number, fromDepth = 0): boolean {
    const extent = this.#extent;
    let remaining = lengthBytes;
    extent.allocated = true;
    extent.depth = fromDepth;
    for (let depth = fromDepth; depth < this.#maps.length; depth++) {
      const map = this.#maps[depth]!;
      // Past the end of a shorter backing image the zeros are those of the image above it.
      if (guestOffset >= map.sizeBytes) break;
      extent.depth = depth;
      const within = Math.min(remaining, map.sizeBytes - guestOffset);
      if (!map.lookup(guestOffset, within, extent)) {
        this.#miss.depth = depth;
        this.#miss.lengthBytes = within;
        return false;
      }
      if (extent.kind !== 'backing') return true;
      remaining = extent.lengthBytes;
    }
    extent.setZero(remaining, extent.storage, extent.hostOffset);
    extent.allocated = false;
    return true;
  }
}
