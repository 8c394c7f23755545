/** A new image that data is copied into, laid out as it comes. */
import {
  type Allocation,
  Extent,
  type FormatImage,
  type HostCall,
  type ImageWriter,
  isWritable,
  reserveZeros,
  type SharedFile,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { asking } from '../chain/failed-request.ts';
import {
  type CopySink,
  ENCODED,
  type FlatPlace,
  framedBytes,
  PLAIN,
  type PreparedData,
  RUN_FIELDS,
  type StorePlan,
} from './copy-hand.ts';
import { type GuestRanges, requestStarts } from './copy-requests.ts';
import type { CopyTarget } from './copy-target.ts';

/** Lookups of one offset that may miss before that counts as an endless loop. */
const MAX_MISSES = 1000;

const NO_STORE = { file: -1, buffer: PLAIN, hostEnd: 0, end: 0 };

/**
 * A new image that nobody else uses and that has nothing below it: what it does not hold is zeros.
 * Space is set aside and linked at once, and filled later: the image counts only when all is done.
 */
export class NewImageTarget implements CopyTarget {
  readonly storesInOrder = false;
  readonly flat: FlatPlace | undefined;
  readonly #image: FormatImage;
  readonly #writer: ImageWriter;
  readonly #unitBytes: number | undefined;
  readonly #extent = new Extent();
  readonly #files: WritableStorage[] = [];
  /** Whether other threads write them, and have learnt which they are. */
  #isShared = false;
  /** Where the space ends that was set aside. */
  readonly #ends = new Map<WritableStorage, number>();
  #plan: number[] = [];
  #headers: Uint8Array | undefined;
  /** Where the request begins that is being placed. */
  #requestStart = 0;
  /** Where the last store of the plan ends. */
  #lastStore = NO_STORE;

  private constructor(image: FormatImage, unitBytes: number | undefined, whole?: FlatPlace) {
    this.#image = image;
    this.#writer = image.writer!;
    this.#unitBytes = unitBytes;
    this.flat = whole;
  }

  /** @param unitBytes of compressed units, where data comes compressed */
  static *open(image: FormatImage, unitBytes: number | undefined): Step<NewImageTarget> {
    const target = new NewImageTarget(image, unitBytes);
    if (unitBytes !== undefined || image.sizeBytes === 0) return target;
    const { kind, lengthBytes, hostOffset, storage } = yield* target.#resolve(0, image.sizeBytes);
    if (kind !== 'data' || lengthBytes < image.sizeBytes) return target;
    const flat = new NewImageTarget(image, unitBytes, { file: 0, startOffset: hostOffset });
    flat.#fileNumber(storage as WritableStorage);
    return flat;
  }

  get sink(): CopySink {
    return {
      write: (file, bytes, offset): HostCall => ({
        runSync: () => this.#files[file]!.writeSync(bytes, offset),
        run: () => this.#files[file]!.write(bytes, offset),
      }),
    };
  }

  *place({ runs, encodedLengths }: PreparedData, ranges: GuestRanges): Step<StorePlan> {
    this.#plan = [];
    this.#lastStore = NO_STORE;
    const { framing } = this.#writer.compression ?? {};
    const headerBytes = framing?.headerBytes ?? 0;
    this.#headers =
      framing && encodedLengths && new Uint8Array(encodedLengths.length * headerBytes);
    const startOf = requestStarts(ranges);
    let units = { index: 0, encodedOffset: 0 };
    for (let at = 0; at < runs.length; at += RUN_FIELDS) {
      const run = { guestOffset: runs[at]!, from: runs[at + 1]!, lengthBytes: runs[at + 2]! };
      this.#requestStart = startOf(run.guestOffset);
      const asked = { request: 'write', guestOffset: this.#requestStart } as const;
      if (encodedLengths === undefined) yield* asking(asked, this.#placePlain(run));
      else units = yield* asking(asked, this.#placeUnits(run, encodedLengths, units));
    }
    return { stores: Float64Array.from(this.#plan), headers: this.#headers };
  }

  *#placePlain({ guestOffset, from, lengthBytes }: BufferRun): Step<void> {
    for (let done = 0; done < lengthBytes;) {
      const at = guestOffset + done;
      const extent = yield* this.#resolve(at, lengthBytes - done);
      let length = extent.lengthBytes;
      if (extent.kind === 'data') {
        this.#add(extent.storage as WritableStorage, extent.hostOffset, [
          PLAIN,
          from + done,
          length,
        ]);
      } else {
        const allocation = yield* this.#writer.allocate(at, length);
        const skip = at - allocation.guestOffset;
        length = Math.min(lengthBytes - done, allocation.lengthBytes - skip);
        yield* clearAround(allocation, skip, skip + length);
        this.#reached(allocation);
        this.#add(allocation.storage, allocation.hostOffset + skip, [PLAIN, from + done, length]);
        yield* allocation.commit();
      }
      done += length;
    }
  }

  /** Places the units of a run: those that have become smaller packed, the others plainly. */
  *#placeUnits(
    { guestOffset, from, lengthBytes }: BufferRun,
    lengths: Uint32Array,
    { index, encodedOffset }: UnitPosition,
  ): Step<UnitPosition> {
    const unitBytes = this.#unitBytes!;
    const end = index + Math.ceil(lengthBytes / unitBytes);
    const first = index;
    let unit = index;
    let offset = encodedOffset;
    while (unit < end) {
      const done = (unit - first) * unitBytes;
      let packed = unit;
      while (packed < end && lengths[packed] !== 0) packed += 1;
      if (packed === unit) {
        yield* this.#placePlain({
          guestOffset: guestOffset + done,
          from: from + done,
          lengthBytes: Math.min(unitBytes, lengthBytes - done),
        });
        unit += 1;
        continue;
      }
      const { framing } = this.#writer.compression!;
      const hostLengths = Array.from(lengths.subarray(unit, packed), (length) =>
        framedBytes(framing, length),
      );
      const at = guestOffset + done;
      const allocation = yield* this.#writer.compression!.allocate(at, hostLengths);
      for (const [number, hostOffset] of allocation.hostOffsets.entries()) {
        this.#add(allocation.storage, hostOffset, [ENCODED, offset, hostLengths[number]!]);
        this.#writeHeader(unit, guestOffset + (unit - first) * unitBytes, lengths[unit]!);
        offset += hostLengths[number]!;
        unit += 1;
      }
      yield* allocation.commit();
    }
    return { index: end, encodedOffset: offset };
  }

  #reached({ storage, hostOffset, lengthBytes }: Allocation): void {
    const end = Math.max(this.#ends.get(storage) ?? 0, hostOffset + lengthBytes);
    this.#ends.set(storage, end);
  }

  /** Space that was set aside is there to its end, as if all of it had been written. */
  *finish(): Step<void> {
    for (const [storage, end] of this.#ends) {
      if (storage.sizeBytes < end) yield* truncateStorage(storage, end);
    }
    const last = this.#unitBytes === undefined ? undefined : this.#writer.compression?.finish?.();
    if (last !== undefined) yield* last;
  }

  #writeHeader(unit: number, guestOffset: number, encodedBytes: number): void {
    const { framing } = this.#writer.compression!;
    if (framing === undefined) return;
    const at = unit * framing.headerBytes;
    const header = this.#headers!.subarray(at, at + framing.headerBytes);
    framing.writeHeader(header, guestOffset, encodedBytes);
  }

  /** Neighbours in the buffer that are neighbours in the file make one write. */
  #add(
    storage: WritableStorage,
    hostOffset: number,
    [buffer, from, lengthBytes]: readonly [number, number, number],
  ): void {
    const file = this.#fileNumber(storage);
    const last = this.#lastStore;
    const follows =
      last.file === file &&
      last.buffer === buffer &&
      last.hostEnd === hostOffset &&
      last.end === from;
    if (follows) this.#plan[this.#plan.length - 2]! += lengthBytes;
    else this.#plan.push(file, hostOffset, buffer, from, lengthBytes, this.#requestStart);
    this.#lastStore = { file, buffer, hostEnd: hostOffset + lengthBytes, end: from + lengthBytes };
  }

  #fileNumber(storage: WritableStorage): number {
    const known = this.#files.indexOf(storage);
    if (known !== -1) return known;
    if (this.#isShared) throw new Error('assertion failed: a file that other threads do not know');
    return this.#files.push(storage) - 1;
  }

  *#resolve(guestOffset: number, lengthBytes: number): Step<Extent> {
    for (let misses = 0; misses < MAX_MISSES; misses++) {
      if (this.#writer.lookupWritable(guestOffset, lengthBytes, this.#extent)) return this.#extent;
      yield* this.#image.load(guestOffset);
    }
    throw new Error(`assertion failed: writable lookup at ${guestOffset} misses after load`);
  }

  sharedFiles(): readonly SharedFile[] | undefined {
    const storages = this.#image.storages.filter(isWritable);
    for (const storage of storages) this.#fileNumber(storage);
    const shared = this.#files.map((storage) => storage.shared);
    if (!shared.every((file) => file !== undefined)) return undefined;
    this.#isShared = true;
    return shared;
  }
}

/** Bytes of a buffer that are to be stored. */
interface BufferRun {
  readonly guestOffset: number;
  readonly from: number;
  readonly lengthBytes: number;
}

/** How many units have been placed, and where the next one is among the encoded. */
interface UnitPosition {
  readonly index: number;
  readonly encodedOffset: number;
}

/** What new space holds besides the data of a job are zeros, until another job writes there. */
function* clearAround(allocation: Allocation, start: number, end: number): Step<void> {
  const { storage, hostOffset, lengthBytes, readsAsZero, isReserved = false } = allocation;
  if (start === 0 && end === lengthBytes) return;
  if (isReserved ? yield* reserveZeros(allocation) : readsAsZero) return;
  if (start > 0) yield* writeBytes(storage, new Uint8Array(start), hostOffset);
  if (end === lengthBytes) return;
  yield* writeBytes(storage, new Uint8Array(lengthBytes - end), hostOffset + end);
}
