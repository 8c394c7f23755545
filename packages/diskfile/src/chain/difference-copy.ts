/** Copies into an image whatever would read differently if another chain lay below it. */
import { alignDown, alignUp, isAllZero } from '@diskfile/bytes';
import {
  asStorage,
  type BlockStatus,
  type DiskFile,
  type FormatImage,
  readInto,
  type Step,
} from '@diskfile/core';
import type { ChainSession, OpenedChain } from './chain-session.ts';
import { asking } from './failed-request.ts';
import { nextStatus, writeDisk, zeroDisk } from './disk-steps.ts';

/** Guest bytes that are compared at a time; a multiple of every cluster size. */
const CHUNK_BYTES = 2 * 1024 * 1024;
/** What QEMU compares by. */
const SECTOR_BYTES = 512;

export interface DifferenceCopyOptions {
  /** See `RebaseDiskFileOptions`. */
  readonly asQemu: boolean;
}

/** What a range of the disk reads as: by which image, or zeros for certain. */
interface Source {
  readonly lengthBytes: number;
  readonly zero: boolean;
  /** Depth of the image that holds it; undefined when none does. */
  readonly depth: number | undefined;
}

export class DifferenceCopy {
  readonly #session: ChainSession;
  readonly #disk: DiskFile;
  /** The chain that is to lie below; undefined for none, which reads zeros. */
  readonly #below: DiskFile | undefined;
  readonly #asQemu: boolean;
  /** What is compared and copied by; the unit in which the image holds or does not hold bytes. */
  readonly #unitBytes: number;
  /** Size of the image that lies below now; behind it QEMU writes zeros, before it all as data. */
  readonly #oldBytes: number;
  /** Depth in the image's chain at which the chain that is to lie below begins, if it does. */
  readonly #sharedDepth: number | undefined;
  /** Where what the image does not hold began, or went on behind a chunk. */
  #chunkStart = 0;
  readonly #old = new Uint8Array(CHUNK_BYTES);
  readonly #new = new Uint8Array(CHUNK_BYTES);

  constructor(
    session: ChainSession,
    image: OpenedChain,
    below: OpenedChain | undefined,
    { asQemu }: DifferenceCopyOptions,
  ) {
    this.#session = session;
    this.#disk = image.disk;
    this.#below = below?.disk;
    this.#asQemu = asQemu;
    this.#unitBytes = asQemu ? SECTOR_BYTES : image.layers[0]!.writer!.unitBytes;
    this.#oldBytes = image.layers[1]?.sizeBytes ?? 0;
    // Below an image that both share, options may have put others than the new chain has there.
    const isNamed = image.below === undefined;
    this.#sharedDepth = isNamed && below ? sharedDepth(image.layers, below.layers[0]!) : undefined;
  }

  *run(): Step<void> {
    const { sizeBytes } = this.#disk;
    let at = 0;
    while (at < sizeBytes) {
      this.#session.reached(at, sizeBytes);
      const status = nextStatus(this.#disk, at, sizeBytes - at);
      const now = sourceOf(yield* asking({ request: 'block-status', guestOffset: at }, status));
      if (now.depth === 0) {
        at += now.lengthBytes;
        this.#chunkStart = at;
        continue;
      }
      const then = yield* this.#sourceBelow(at, now.lengthBytes);
      if (this.#readsTheSame(now, then)) at += then.lengthBytes;
      else {
        const end = this.#asQemu ? yield* this.#chunkEnd(at) : at + then.lengthBytes;
        at = yield* this.#copyChunk(at, end);
        this.#chunkStart = at;
      }
    }
    this.#session.reached(sizeBytes, sizeBytes);
  }

  /**
   * Where QEMU ends the request that `guestOffset` lies in: it goes by what the image holds, and by
   * the ends of the images below, not by what these hold.
   */
  *#chunkEnd(guestOffset: number): Step<number> {
    const ends = [this.#oldBytes, this.#below?.sizeBytes ?? 0];
    const start = Math.max(this.#chunkStart, ...ends.filter((end) => end <= guestOffset));
    const full = alignDown(guestOffset - start, CHUNK_BYTES) + CHUNK_BYTES;
    const later = ends.filter((end) => end > guestOffset);
    const limit = Math.min(start + full, this.#disk.sizeBytes, ...later);
    let at = guestOffset;
    while (at < limit) {
      const { depth, lengthBytes } = sourceOf(yield* nextStatus(this.#disk, at, limit - at));
      if (depth === 0) break;
      at += lengthBytes;
    }
    return at;
  }

  *#sourceBelow(guestOffset: number, lengthBytes: number): Step<Source> {
    const below = this.#below;
    const within = below === undefined ? 0 : Math.min(below.sizeBytes - guestOffset, lengthBytes);
    if (within <= 0) return { lengthBytes, zero: true, depth: undefined };
    return sourceOf(yield* nextStatus(below!, guestOffset, within));
  }

  #readsTheSame(now: Source, then: Source): boolean {
    if (now.zero && then.zero) return true;
    if (now.depth === undefined || then.depth === undefined) return false;
    return this.#sharedDepth !== undefined && now.depth === then.depth + this.#sharedDepth;
  }

  /**
   * Compares the start of a range that the image does not hold, whole units, and copies those of
   * them that differ. @returns where it ended
   */
  *#copyChunk(start: number, end: number): Step<number> {
    const unitBytes = this.#unitBytes;
    const from = alignDown(start, unitBytes);
    const to = Math.min(
      alignUp(Math.min(end, from + CHUNK_BYTES), unitBytes),
      this.#disk.sizeBytes,
    );
    const range = { guestOffset: from };
    const reading = readInto(this.#disk, this.#old.subarray(0, to - from), from);
    const old = yield* asking({ request: 'read', operand: 0, ...range }, reading);
    const future = this.#new.subarray(0, to - from);
    if (this.#below === undefined) future.fill(0);
    else {
      const readingNew = readInto(asStorage(this.#below), future, from);
      yield* asking({ request: 'read', operand: 1, ...range }, readingNew);
    }
    yield* asking({ request: 'write', ...range }, this.#writeDifferences(from, old, future));
    return to;
  }

  /** Neighbouring units of one kind are written together. */
  *#writeDifferences(guestOffset: number, old: Uint8Array, future: Uint8Array): Step<void> {
    const comparable = Buffer.from(old.buffer, old.byteOffset, old.length);
    let runStart = 0;
    let runKind: UnitKind = 'same';
    for (let at = 0; at < old.length; at += this.#unitBytes) {
      const end = Math.min(at + this.#unitBytes, old.length);
      const differs = comparable.compare(future, at, end, at, end) !== 0;
      const kind = differs ? this.#kindOf(old.subarray(at, end), guestOffset + at) : 'same';
      if (kind === runKind) continue;
      yield* this.#write(runKind, old.subarray(runStart, at), guestOffset + runStart);
      runStart = at;
      runKind = kind;
    }
    yield* this.#write(runKind, old.subarray(runStart), guestOffset + runStart);
  }

  #kindOf(differing: Uint8Array, guestOffset: number): UnitKind {
    const isZeros = this.#asQemu ? guestOffset >= this.#oldBytes : isAllZero(differing);
    return isZeros ? 'zeros' : 'data';
  }

  *#write(kind: UnitKind, bytes: Uint8Array, guestOffset: number): Step<void> {
    if (kind === 'data') yield* writeDisk(this.#disk, bytes, guestOffset);
    else if (kind === 'zeros') yield* this.#writeZeros(bytes, guestOffset);
  }

  /** To the disk it reads as zeros already; the image has to say so itself. */
  *#writeZeros(zeros: Uint8Array, guestOffset: number): Step<void> {
    yield* zeroDisk(this.#disk, guestOffset, zeros.length);
    for (let at = 0; at < zeros.length;) {
      const left = zeros.length - at;
      const { depth, lengthBytes } = sourceOf(
        yield* nextStatus(this.#disk, guestOffset + at, left),
      );
      const part = zeros.subarray(at, at + lengthBytes);
      if (depth !== 0) yield* writeDisk(this.#disk, part, guestOffset + at);
      at += lengthBytes;
    }
  }
}

/** What a unit is to the copy. */
type UnitKind = 'same' | 'data' | 'zeros';

function sourceOf({ lengthBytes, zero, allocated, depth }: BlockStatus): Source {
  return { lengthBytes, zero, depth: allocated ? depth : undefined };
}

/** Where in a chain the image `top` lies that another chain begins with. */
function sharedDepth(layers: readonly FormatImage[], top: FormatImage): number | undefined {
  const { identity } = top.storages[0]!;
  if (identity === undefined) return undefined;
  const depth = layers.findIndex(
    ({ format, storages }) => format === top.format && storages[0]!.identity === identity,
  );
  return depth === -1 ? undefined : depth;
}
