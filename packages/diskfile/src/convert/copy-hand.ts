/**
 * Does the part of a job that takes time: reads, looks for zeros, compresses, and writes to the
 * places that it is told. Runs on worker threads and in place alike; see {@link CopyRun}.
 */
import { alignUp, DiskError } from '@diskfile/bytes';
import {
  type Encoder,
  type HostCall,
  ParallelCalls,
  type Step,
  stepCall,
  type UnitFraming,
} from '@diskfile/core';
import { encoders } from '@diskfile/codec';
import { asking } from '../chain/failed-request.ts';
import { type GuestRanges, REQUEST_BYTES, requestStarts, writing } from './copy-requests.ts';
import { type UnreadableRange, readSalvaging } from './salvage.ts';
import { eachDataRun, type ZeroSearch } from './data-runs.ts';
import type { SourceParts } from './source-parts.ts';

/** What the hands of one conversion have in common; survives a message. */
export interface CopySettings {
  /** First byte of the source that is copied, to the start of the target. */
  readonly startBytes: number;
  /** Most data of a job. */
  readonly jobBytes: number;
  /** How zeros are looked for; undefined to store everything. */
  readonly zeroSearch: ZeroSearch | undefined;
  readonly encoding: UnitEncoding | undefined;
  readonly salvage: boolean;
}

/** How units are compressed. */
export interface UnitEncoding {
  readonly unitBytes: number;
  readonly encoderId: string;
  /** The encoder's default when undefined. */
  readonly level: number | undefined;
  /** Where units have no other form: what is around the encoded one. */
  readonly frame: UnitFrame | undefined;
}

/** The lengths of a `UnitFraming`; what the headers say comes with the plan. */
export type UnitFrame = Pick<UnitFraming, 'headerBytes' | 'alignmentBytes' | 'maxEncodedBytes'>;

/** What a unit takes on the host. */
export function framedBytes(frame: UnitFrame | undefined, encodedBytes: number): number {
  return frame === undefined
    ? encodedBytes
    : alignUp(frame.headerBytes + encodedBytes, frame.alignmentBytes);
}

/** What a job turned out to hold. */
export interface PreparedData {
  /** Runs that are to be stored as triples: guest offset, place in the buffer, length. */
  readonly runs: Float64Array;
  /**
   * With an encoding: how long each unit of the runs became, 0 for one that gets no smaller. They
   * are in the second buffer, one behind the other, each in its frame where there is one.
   */
  readonly encodedLengths: Uint32Array | undefined;
  readonly unreadable: readonly UnreadableRange[];
}

export const RUN_FIELDS = 3;

/** Which of a hand's two buffers bytes are in, or that zeros are to be made. */
export const PLAIN = 0;
export const ENCODED = 1;
export const ZEROS = 2;

export interface StorePlan {
  /**
   * What goes where, in sixes: number of the file, offset, which buffer, place in it, length; and
   * where on the disk the request begins that a failure is told of by.
   */
  readonly stores: Float64Array;
  /** Headers of the framed units, one behind the other. */
  readonly headers: Uint8Array | undefined;
}

export const STORE_FIELDS = 6;

/** A disk whose every byte has its place: file number and where in it the disk begins. */
export interface FlatPlace {
  readonly file: number;
  readonly startOffset: number;
}

/** Where hands write to. */
export interface CopySink {
  write(file: number, bytes: Uint8Array, hostOffset: number): HostCall;
  /** There when plans name zeros. */
  makeZero?(hostOffset: number, lengthBytes: number): HostCall;
}

/** One job at a time: `prepare`, then `store` what it found; or both at once. */
export interface CopyHand {
  prepare(ranges: GuestRanges): Step<PreparedData>;
  store(plan: StorePlan): Step<void>;
  /** For a target whose places are known beforehand. */
  prepareAndStore(ranges: GuestRanges, place: FlatPlace): Step<readonly UnreadableRange[]>;
}

export class LocalHand implements CopyHand {
  readonly #source: SourceParts;
  readonly #settings: CopySettings;
  readonly #sink: CopySink;
  readonly #buffer: Buffer;
  #encoder: Encoder | undefined;
  /** Encoded units, and room for one that gets no smaller. */
  #encoded = new Uint8Array(0);
  /** Where they begin in it. */
  #unitStarts: number[] = [];

  constructor(source: SourceParts, settings: CopySettings, sink: CopySink) {
    this.#source = source;
    this.#settings = settings;
    this.#sink = sink;
    this.#buffer = Buffer.from(new ArrayBuffer(settings.jobBytes));
  }

  *prepare(ranges: GuestRanges): Step<PreparedData> {
    const unreadable = yield* this.#read(ranges);
    const runs = this.#findRuns(ranges);
    const { encoding } = this.#settings;
    const encodedLengths = encoding && (yield* this.#encode(runs, encoding));
    return { runs, encodedLengths, unreadable };
  }

  *prepareAndStore(ranges: GuestRanges, place: FlatPlace): Step<readonly UnreadableRange[]> {
    const { runs, unreadable } = yield* this.prepare(ranges);
    const startOf = requestStarts(ranges);
    const writes: HostCall[] = [];
    for (let at = 0; at < runs.length; at += RUN_FIELDS) {
      const [guestOffset, from, lengthBytes] = [runs[at]!, runs[at + 1]!, runs[at + 2]!];
      const bytes = this.#buffer.subarray(from, from + lengthBytes);
      const write = this.#sink.write(place.file, bytes, place.startOffset + guestOffset);
      writes.push(writing(startOf(guestOffset), write));
    }
    yield new ParallelCalls(writes);
    return unreadable;
  }

  *store({ stores, headers }: StorePlan): Step<void> {
    if (headers !== undefined) this.#putHeaders(headers);
    const writes: HostCall[] = [];
    for (let at = 0; at < stores.length; at += STORE_FIELDS) {
      writes.push(writing(stores[at + 5]!, this.#storing(stores, at)));
    }
    yield new ParallelCalls(writes);
  }

  #storing(stores: Float64Array, at: number): HostCall {
    const [buffer, offset, lengthBytes] = [stores[at + 2]!, stores[at + 1]!, stores[at + 4]!];
    if (buffer === ZEROS) return this.#sink.makeZero!(offset, lengthBytes);
    const from = stores[at + 3]!;
    const bytes = buffer === PLAIN ? this.#buffer : this.#encoded;
    return this.#sink.write(stores[at]!, bytes.subarray(from, from + lengthBytes), offset);
  }

  #putHeaders(headers: Uint8Array): void {
    const { headerBytes } = this.#settings.encoding!.frame!;
    for (const [index, start] of this.#unitStarts.entries()) {
      const at = index * headerBytes;
      this.#encoded.set(headers.subarray(at, at + headerBytes), start);
    }
  }

  /** Fills the buffer with the ranges, one behind the other. */
  *#read(ranges: GuestRanges): Step<UnreadableRange[]> {
    const unreadable: UnreadableRange[] = [];
    const calls: HostCall[] = [];
    let filled = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const lengthBytes = ranges[at + 1]!;
      for (let done = 0; done < lengthBytes; done += REQUEST_BYTES) {
        const guestOffset = ranges[at]! + done;
        const end = filled + Math.min(REQUEST_BYTES, lengthBytes - done);
        const bytes = this.#buffer.subarray(filled, end);
        calls.push(stepCall(() => this.#readRange(bytes, guestOffset, unreadable)));
        filled = end;
      }
    }
    yield calls.length === 1 ? calls[0]! : new ParallelCalls(calls);
    return unreadable;
  }

  *#readRange(bytes: Uint8Array, guestOffset: number, unreadable: UnreadableRange[]): Step<void> {
    const { startBytes, salvage } = this.#settings;
    try {
      yield* asking(
        { request: 'read', guestOffset: startBytes + guestOffset },
        this.#source.read(bytes, startBytes + guestOffset),
      );
    } catch (error) {
      if (!salvage || !(error instanceof DiskError)) throw error;
      unreadable.push(...(yield* readSalvaging(this.#source, bytes, startBytes + guestOffset)));
    }
  }

  #findRuns(ranges: GuestRanges): Float64Array {
    const { zeroSearch } = this.#settings;
    const runs: number[] = [];
    let start = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const guestOffset = ranges[at]!;
      const from = start;
      const end = from + ranges[at + 1]!;
      const add = (runStart: number, runEnd: number): void => {
        runs.push(guestOffset + (runStart - from), runStart, runEnd - runStart);
      };
      if (zeroSearch === undefined) add(from, end);
      else {
        const phase = guestOffset % zeroSearch.gridBytes;
        eachDataRun(this.#buffer, { start: from, end, phase }, zeroSearch, add);
      }
      start = end;
    }
    return Float64Array.from(runs);
  }

  *#encode(runs: Float64Array, encoding: UnitEncoding): Step<Uint32Array> {
    const { unitBytes, encoderId, level, frame } = encoding;
    const encoder = (this.#encoder ??= yield* encoders().load(encoderId, level));
    const units: UnitCall[] = [];
    for (let at = 0; at < runs.length; at += RUN_FIELDS) {
      const end = runs[at + 1]! + runs[at + 2]!;
      for (let from = runs[at + 1]!; from < end; from += unitBytes) {
        const plain = this.#buffer.subarray(from, Math.min(from + unitBytes, end));
        const whole = frame === undefined ? wholeUnit(plain, unitBytes) : plain;
        units.push(new UnitCall(encoder, whole, this.#room(units.length, encoding)));
      }
    }
    yield new ParallelCalls(units);
    this.#join(units, frame);
    return Uint32Array.from(units, ({ encodedBytes }) => encodedBytes);
  }

  /** Room for the unit of that number. */
  #room(index: number, { unitBytes, frame }: UnitEncoding): Uint8Array {
    const { headerBytes = 0 } = frame ?? {};
    // Encoders leave one byte free.
    const roomBytes =
      frame === undefined ? unitBytes : framedBytes(frame, frame.maxEncodedBytes + 1);
    if (this.#encoded.length === 0) {
      const unitCount = Math.ceil(this.#buffer.length / unitBytes);
      this.#encoded = new Uint8Array(unitCount * roomBytes);
    }
    return this.#encoded.subarray(index * roomBytes + headerBytes, (index + 1) * roomBytes);
  }

  /** Puts the units one behind the other; headers are left to be filled in. */
  #join(units: readonly UnitCall[], frame: UnitFrame | undefined): void {
    const { headerBytes = 0 } = frame ?? {};
    this.#unitStarts = [];
    let filled = 0;
    for (const { room, encodedBytes } of units) {
      const start = filled + headerBytes;
      this.#encoded.copyWithin(start, room.byteOffset, room.byteOffset + encodedBytes);
      this.#unitStarts.push(filled);
      filled += framedBytes(frame, encodedBytes);
      this.#encoded.fill(0, start + encodedBytes, filled);
    }
  }
}

/** The end of a disk may be in the middle of a unit; zeros follow then. */
function wholeUnit(plain: Uint8Array, unitBytes: number): Uint8Array {
  if (plain.length === unitBytes) return plain;
  const whole = new Uint8Array(unitBytes);
  whole.set(plain);
  return whole;
}

/** One unit, encoded when it is run. */
class UnitCall implements HostCall {
  readonly room: Uint8Array;
  /** 0 when it gets no smaller. */
  encodedBytes = 0;
  readonly #encoder: Encoder;
  readonly #plain: Uint8Array;

  constructor(encoder: Encoder, plain: Uint8Array, room: Uint8Array) {
    this.room = room;
    this.#encoder = encoder;
    this.#plain = plain;
  }

  runSync(): void {
    this.encodedBytes = this.#encoder.encodeSync(this.#plain, this.room) ?? 0;
  }

  async run(): Promise<void> {
    this.encodedBytes = (await this.#encoder.encode(this.#plain, this.room)) ?? 0;
  }
}
