/**
 * Compressed writes. Units are encoded while others read and write, several at a time; then the
 * request takes its turn, and they are placed one after another in guest order. A unit that does
 * not get smaller is written plainly, unless the image has only encoded ones.
 */
import { alignUp, DiskError } from '@diskfile/bytes';
import type { Encoder, EncoderSet } from '../encoder.ts';
import type { FormatImage } from '../format/format-image.ts';
import type {
  CompressedWriter,
  EncodedAllocation,
  UnitFraming,
} from '../format/writer-capabilities.ts';
import { type HostCall, ParallelCalls, type Step } from '../step.ts';
import { cancelAllocation } from './cancel-allocation.ts';
import { checkRange } from './range.ts';
import type { WriteTurns } from './write-turns.ts';

/** Guest bytes that are encoded before they are placed: what bounds the memory of a request. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Enough for all cores, however large the units are, and not too many calls of small ones. */
const MIN_WINDOW_UNITS = 8;
const MAX_WINDOW_UNITS = 256;

/** What compressing needs of the writer that it belongs to. */
export interface CompressionTarget {
  readonly image: FormatImage;
  readonly format: CompressedWriter;
  readonly encoders: EncoderSet;
  readonly turns: WriteTurns;
  /** Writes as without compression; called alone. */
  writePlain(src: Uint8Array, guestOffset: number): Step<void>;
  markWritten(guestOffset: number, lengthBytes: number): void;
}

/** One unit, encoded when it is run. */
class Unit implements HostCall {
  /** The guest's bytes; fewer than a unit at the end of the disk. */
  readonly plain: Uint8Array;
  /** How many bytes go to the host; undefined when the encoded form is no smaller. */
  hostBytes: number | undefined;
  /** What goes to the host is at its start. */
  readonly room: Uint8Array;
  readonly #encoder: Encoder;
  readonly #guestOffset: number;
  readonly #framing: UnitFraming | undefined;
  /** What is encoded. */
  readonly #whole: Uint8Array;
  /** Room for its encoded form. */
  readonly #encoded: Uint8Array;

  constructor(
    { encoder, format }: { encoder: Encoder; format: CompressedWriter },
    plain: Uint8Array,
    guestOffset: number,
    room: Uint8Array,
  ) {
    const { unitBytes, framing } = format;
    this.plain = plain;
    this.room = room;
    this.#encoder = encoder;
    this.#guestOffset = guestOffset;
    this.#framing = framing;
    const isWhole = framing !== undefined || plain.length === unitBytes;
    this.#whole = isWhole ? plain : padded(plain, unitBytes);
    this.#encoded = framing === undefined ? room : room.subarray(framing.headerBytes);
  }

  runSync(): void {
    this.#finish(this.#encoder.encodeSync(this.#whole, this.#encoded));
  }

  async run(): Promise<void> {
    this.#finish(await this.#encoder.encode(this.#whole, this.#encoded));
  }

  #finish(encodedBytes: number | undefined): void {
    const framing = this.#framing;
    if (framing === undefined) this.hostBytes = encodedBytes;
    else this.hostBytes = this.#frame(framing, encodedBytes);
  }

  #frame(framing: UnitFraming, encodedBytes: number | undefined): number {
    const { headerBytes, alignmentBytes } = framing;
    if (encodedBytes === undefined) throw new Error('assertion failed: a unit outgrows its room');
    const end = headerBytes + encodedBytes;
    framing.writeHeader(this.room.subarray(0, headerBytes), this.#guestOffset, encodedBytes);
    const hostBytes = alignUp(end, alignmentBytes);
    this.room.fill(0, end, hostBytes);
    return hostBytes;
  }
}

function padded(bytes: Uint8Array, lengthBytes: number): Uint8Array {
  const whole = new Uint8Array(lengthBytes);
  whole.set(bytes);
  return whole;
}

/** What a unit takes on the host at most. */
function roomBytes({ unitBytes, framing }: CompressedWriter): number {
  if (framing === undefined) return unitBytes;
  // Encoders leave one byte free.
  const mostBytes = framing.headerBytes + framing.maxEncodedBytes + 1;
  return alignUp(mostBytes, framing.alignmentBytes);
}

export class CompressingWriter {
  readonly #target: CompressionTarget;
  /** Room for encoded units, to be used again: fresh arrays cost a good part of fast encoding. */
  readonly #free: Uint8Array[] = [];
  /** What goes to the host at once; only one request at a time is placed. */
  #joined = new Uint8Array(0);

  constructor(target: CompressionTarget) {
    this.#target = target;
  }

  /** @throws DiskError `invalid-argument` unless the range consists of whole units */
  checkUnits(guestOffset: number, lengthBytes: number): void {
    const { unitBytes } = this.#target.format;
    const end = guestOffset + lengthBytes;
    const ends = end % unitBytes === 0 || end === this.#target.image.sizeBytes;
    if (guestOffset % unitBytes === 0 && ends) return;
    throw new DiskError(
      'invalid-argument',
      'disk.compressed-range',
      `${lengthBytes} bytes at ${guestOffset} are not whole units of ${unitBytes} bytes, which compressed writes consist of`,
      { op: 'write', offset: guestOffset, length: lengthBytes, layer: 'engine' },
    );
  }

  /**
   * Writes all of `src`; the range has been checked.
   * @param level of the encoder; its default when undefined
   */
  *writeStep(src: Uint8Array, guestOffset: number, level?: number): Step<void> {
    if (src.length === 0) return;
    const { turns } = this.#target;
    const hold = turns.reserve({ start: guestOffset, end: guestOffset + src.length });
    try {
      yield* this.#inWindows(src, guestOffset, level, (place) => turns.takeTurn(hold, place));
    } finally {
      turns.release(hold);
    }
  }

  /**
   * Writes all of `src` as part of a request that has its turn already.
   * @throws DiskError `invalid-argument` unless the range consists of whole units
   */
  *writeAlone(src: Uint8Array, guestOffset: number): Step<void> {
    this.checkUnits(guestOffset, src.length);
    yield* this.#inWindows(src, guestOffset, undefined, (place) => place());
  }

  /** Encodes window after window, and has each placed when `inTurn` says so. */
  *#inWindows(
    src: Uint8Array,
    guestOffset: number,
    level: number | undefined,
    inTurn: (place: () => Step<void>) => Step<void>,
  ): Step<void> {
    const { encoders, format } = this.#target;
    const encoder = yield* encoders.load(format.encoderId, level);
    const windowBytes = format.unitBytes * windowUnits(format.unitBytes);
    for (let done = 0; done < src.length; done += windowBytes) {
      const at = guestOffset + done;
      const units = this.#split(encoder, src.subarray(done, done + windowBytes), at);
      yield new ParallelCalls(units);
      yield* inTurn(() => this.#place(units, at));
      this.#giveBack(units);
    }
  }

  #split(encoder: Encoder, window: Uint8Array, guestOffset: number): Unit[] {
    const { format } = this.#target;
    const { unitBytes } = format;
    const units: Unit[] = [];
    for (let at = 0; at < window.length; at += unitBytes) {
      const room = this.#free.pop() ?? new Uint8Array(roomBytes(format));
      const plain = window.subarray(at, at + unitBytes);
      units.push(new Unit({ encoder, format }, plain, guestOffset + at, room));
    }
    return units;
  }

  /** Keeps as much room as one window takes. */
  #giveBack(units: readonly Unit[]): void {
    const most = windowUnits(this.#target.format.unitBytes);
    for (const { room } of units) if (this.#free.length < most) this.#free.push(room);
  }

  *#place(units: readonly Unit[], guestOffset: number): Step<void> {
    const { image, format, writePlain, markWritten } = this.#target;
    const lengthBytes = (units.length - 1) * format.unitBytes + units.at(-1)!.plain.length;
    // The disk may have changed its size while the request waited.
    checkRange(diskOf(image), 'write', guestOffset, lengthBytes);
    this.checkUnits(guestOffset, lengthBytes);
    markWritten(guestOffset, lengthBytes);
    let at = guestOffset;
    for (let first = 0; first < units.length;) {
      const unit = units[first]!;
      if (unit.hostBytes === undefined) {
        yield* writePlain(unit.plain, at);
        first += 1;
      } else {
        let end = first + 1;
        while (units[end]?.hostBytes !== undefined) end += 1;
        first += yield* this.#placeEncoded(units.slice(first, end), at);
      }
      at = guestOffset + first * format.unitBytes;
    }
  }

  /** @returns how many units were placed */
  *#placeEncoded(units: readonly Unit[], guestOffset: number): Step<number> {
    const lengths = units.map(({ hostBytes }) => hostBytes!);
    const allocation = yield* this.#target.format.allocate(guestOffset, lengths);
    try {
      yield new ParallelCalls(hostWrites(allocation, units, this.#roomFor(lengths)));
    } catch (error) {
      yield* cancelAllocation(allocation);
      throw error;
    }
    yield* allocation.commit();
    return allocation.hostOffsets.length;
  }

  #roomFor(lengths: readonly number[]): Uint8Array {
    const lengthBytes = lengths.reduce((sum, length) => sum + length, 0);
    if (lengthBytes > this.#joined.length) this.#joined = new Uint8Array(lengthBytes);
    return this.#joined;
  }
}

function windowUnits(unitBytes: number): number {
  const wanted = Math.floor(WINDOW_BYTES / unitBytes);
  return Math.max(MIN_WINDOW_UNITS, Math.min(wanted, MAX_WINDOW_UNITS));
}

/**
 * Writes of the units; those that lie one behind the other make one.
 * @param room for all of them
 */
function hostWrites(
  { storage, hostOffsets }: EncodedAllocation,
  units: readonly Unit[],
  room: Uint8Array,
): HostCall[] {
  const calls: HostCall[] = [];
  let filled = 0;
  for (let index = 0; index < hostOffsets.length;) {
    const start = hostOffsets[index]!;
    const from = filled;
    for (; hostOffsets[index] === start + filled - from; index++) {
      const { room: unit, hostBytes } = units[index]!;
      room.set(unit.subarray(0, hostBytes), filled);
      filled += hostBytes!;
    }
    const bytes = room.subarray(from, filled);
    calls.push({
      runSync: () => storage.writeSync(bytes, start),
      run: () => storage.write(bytes, start),
    });
  }
  return calls;
}

function diskOf({ storages, sizeBytes }: FormatImage): { name: string; sizeBytes: number } {
  return { name: storages[0]!.name, sizeBytes };
}
