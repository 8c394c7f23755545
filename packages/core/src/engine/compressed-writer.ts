/**
 * Compressed writes. Units are encoded while others read and write, several at a time; then the
 * request takes its turn, and they are placed one after another in guest order. A unit that does
 * not get smaller is written plainly.
 */
import { DiskError } from '@diskfile/bytes';
import type { Encoder, EncoderSet } from '../encoder.ts';
import type { FormatImage } from '../format/format-image.ts';
import type { CompressedWriter, EncodedAllocation } from '../format/writer-capabilities.ts';
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
  /** How long the encoded form is; undefined when it is no smaller. */
  encodedBytes: number | undefined;
  /** As long as a unit; the encoded form is at its start. */
  readonly room: Uint8Array;
  readonly #encoder: Encoder;
  readonly #whole: Uint8Array;

  constructor(encoder: Encoder, plain: Uint8Array, room: Uint8Array) {
    this.plain = plain;
    this.room = room;
    this.#encoder = encoder;
    this.#whole = plain.length === room.length ? plain : padded(plain, room.length);
  }

  runSync(): void {
    this.encodedBytes = this.#encoder.encodeSync(this.#whole, this.room);
  }

  async run(): Promise<void> {
    this.encodedBytes = await this.#encoder.encode(this.#whole, this.room);
  }
}

function padded(bytes: Uint8Array, lengthBytes: number): Uint8Array {
  const whole = new Uint8Array(lengthBytes);
  whole.set(bytes);
  return whole;
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
    const { turns, encoders, format } = this.#target;
    const hold = turns.reserve({ start: guestOffset, end: guestOffset + src.length });
    try {
      const encoder = yield* encoders.load(format.encoderId, level);
      const windowBytes = format.unitBytes * windowUnits(format.unitBytes);
      for (let done = 0; done < src.length; done += windowBytes) {
        const units = this.#split(encoder, src.subarray(done, done + windowBytes));
        yield new ParallelCalls(units);
        yield* turns.takeTurn(hold, () => this.#place(units, guestOffset + done));
        this.#giveBack(units);
      }
    } finally {
      turns.release(hold);
    }
  }

  #split(encoder: Encoder, window: Uint8Array): Unit[] {
    const { unitBytes } = this.#target.format;
    const units: Unit[] = [];
    for (let at = 0; at < window.length; at += unitBytes) {
      const room = this.#free.pop() ?? new Uint8Array(unitBytes);
      units.push(new Unit(encoder, window.subarray(at, at + unitBytes), room));
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
      if (unit.encodedBytes === undefined) {
        yield* writePlain(unit.plain, at);
        first += 1;
      } else {
        let end = first + 1;
        while (units[end]?.encodedBytes !== undefined) end += 1;
        first += yield* this.#placeEncoded(units.slice(first, end), at);
      }
      at = guestOffset + first * format.unitBytes;
    }
  }

  /** @returns how many units were placed */
  *#placeEncoded(units: readonly Unit[], guestOffset: number): Step<number> {
    const lengths = units.map(({ encodedBytes }) => encodedBytes!);
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
      const { room: encoded, encodedBytes } = units[index]!;
      room.set(encoded.subarray(0, encodedBytes), filled);
      filled += encodedBytes!;
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
