/**
 * The engine's writing half: guest bytes into an image, whatever its format. Bytes that have host
 * space of their own are overwritten where they lie; for all others the format sets space aside,
 * the engine fills it (the new bytes, and around them what the disk reads now), and only then is
 * it linked in.
 */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import type { ZeroOptions } from '../disk-file.ts';
import type { EncoderSet } from '../encoder.ts';
import type { FormatImage } from '../format/format-image.ts';
import type { Allocation, EarlierPart, ImageWriter } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { isWritable, writeBytes } from '../storage.ts';
import { cancelAllocation } from './cancel-allocation.ts';
import { CompressingWriter } from './compressed-writer.ts';
import { CopyUp } from './copy-up.ts';
import { Extent } from './extent.ts';
import type { MappedReader } from './mapped-reader.ts';
import { NewSpace } from './new-space.ts';
import { checkRange } from './range.ts';
import type { ReadEpochs } from './read-epochs.ts';
import type { GuardedTurn, ReadGuard } from './read-guard.ts';
import type { LockRange } from './write-lock.ts';
import { reachOf, WriteTeams } from './write-teams.ts';
import { WriteTurns } from './write-turns.ts';
import { ZeroWriter } from './zero-writer.ts';

/** Lookups of one offset that may miss before that counts as an endless loop. */
const MAX_MISSES = 1000;

export class MappedWriter {
  readonly #image: FormatImage;
  readonly #writer: ImageWriter;
  readonly #reader: MappedReader;
  readonly #turns: WriteTurns;
  readonly #teams: WriteTeams;
  readonly #newSpace: NewSpace;
  readonly #sectorBytes: number;
  readonly #extent = new Extent();
  readonly #compressing: CompressingWriter | undefined;
  readonly #zeros: ZeroWriter;
  readonly #copyUp: CopyUp;

  constructor(
    image: FormatImage,
    writer: ImageWriter,
    reader: MappedReader,
    encoders: EncoderSet | undefined,
  ) {
    this.#image = image;
    this.#writer = writer;
    this.#reader = reader;
    this.#sectorBytes = writer.sectorBytes ?? 1;
    this.#turns = new WriteTurns(() => writer.reclaim(), this.#sectorBytes);
    this.#newSpace = new NewSpace(image, reader);
    this.#teams = new WriteTeams(this.#turns, writer.blockBytes, {
      allocate: (guestOffset, wantedBytes) => this.#allocate(guestOffset, wantedBytes),
      fill: (allocation, src, guestOffset) => this.#fill(allocation, src, guestOffset),
      overwrite: (src, guestOffset) => this.#overwrite(src, guestOffset),
      writeAlone: (src, guestOffset, requestStart) =>
        this.#writeAlone(src, guestOffset, requestStart),
    });
    this.#compressing = encoders && this.#makeCompressing(encoders);
    const writeData = this.#writeAlone.bind(this);
    const { guard } = this.#turns;
    this.#zeros = new ZeroWriter({ image, writer, reader, guard, writeData });
    this.#copyUp = new CopyUp(reader, this.#zeros, writeData);
    writer.attach?.(() => this.#endReads());
  }

  #endReads(): boolean {
    if (this.epochs.isReading) return false;
    this.#reader.forgetDecoded();
    return true;
  }

  get canCompress(): boolean {
    return this.#compressing !== undefined;
  }

  /** @throws DiskError `unsupported` where the image cannot hold compressed data */
  compressing(): CompressingWriter {
    if (this.#compressing === undefined) throw notCapable(this.#image.format);
    return this.#compressing;
  }

  #makeCompressing(encoders: EncoderSet): CompressingWriter | undefined {
    const { compression: format } = this.#writer;
    return (
      format &&
      new CompressingWriter({
        image: this.#image,
        format,
        encoders,
        turns: this.#turns,
        writePlain: (src, guestOffset) => this.#writeAlone(src, guestOffset),
        markWritten: (at, length) => this.#writer.bitmaps?.markWritten(at, length),
      })
    );
  }

  /** Whether a write is under way or waits. */
  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  /** The reads under way; space that they may look at is not used for something else. */
  get epochs(): ReadEpochs {
    return this.#turns.epochs;
  }

  /** Keeps reads and changes of the same bytes apart. */
  get guard(): ReadGuard {
    return this.#turns.guard;
  }

  /** Waits for the reads that are under way behind `guestOffset`. Part of a {@link changeStep}. */
  *readsEndedStep(guestOffset: number): Step<void> {
    yield* this.guard.change(guestOffset, Infinity, function* () {});
  }

  /** Whether the image holds nothing but encoded units. */
  get #onlyCompressed(): boolean {
    return this.#writer.compression?.framing !== undefined;
  }

  /** Writes all of `src`; the range has been checked against the disk's size. */
  *writeStep(src: Uint8Array, guestOffset: number): Step<void> {
    if (src.length === 0) return;
    if (this.#onlyCompressed) {
      const compressing = this.compressing();
      compressing.checkUnits(guestOffset, src.length);
      yield* compressing.writeStep(src, guestOffset);
      return;
    }
    const hold = yield* this.#turns.hold(this.#sectorsOf(guestOffset, src.length));
    try {
      this.#checkRange('write', guestOffset, src.length);
      this.#writer.bitmaps?.markWritten(guestOffset, src.length);
      if (yield* this.#isInPlace(guestOffset, src.length)) {
        yield* this.#overwrite(src, guestOffset);
        return;
      }
      yield* this.#teams.write(hold, src, guestOffset);
    } finally {
      this.#turns.release(hold);
    }
  }

  /**
   * Runs a change of the image that is more than writing bytes: alone, and flushed when it returns.
   * @throws DiskError `unsupported` when `pick` finds that the format cannot do it
   */
  *changeStep<P, T>(
    pick: (writer: ImageWriter) => P | undefined,
    body: (part: P) => Step<T>,
  ): Step<T> {
    const capability = pick(this.#writer);
    if (capability === undefined) throw notCapable(this.#image.format);
    return yield* this.#turns.exclusive(() => this.#changeAlone(() => body(capability)));
  }

  *#changeAlone<T>(body: () => Step<T>): Step<T> {
    const result = yield* body();
    yield* this.#flushAlone();
    return result;
  }

  /** Once more when a request has its turn: the disk may have become smaller while it waited. */
  #checkRange(op: string, guestOffset: number, lengthBytes: number): void {
    const { storages, sizeBytes } = this.#image;
    if (guestOffset + lengthBytes <= sizeBytes) return;
    checkRange({ name: storages[0]!.name, sizeBytes }, op, guestOffset, lengthBytes);
  }

  /** What a write to a range keeps others off: two in one sector would undo each other. */
  #sectorsOf(guestOffset: number, lengthBytes: number): LockRange {
    const start = alignDown(guestOffset, this.#sectorBytes);
    return { start, end: alignUp(guestOffset + lengthBytes, this.#sectorBytes) };
  }

  /** Whether all of a range can be overwritten where it lies. */
  *#isInPlace(guestOffset: number, lengthBytes: number): Step<boolean> {
    for (let done = 0; done < lengthBytes;) {
      const extent = yield* this.#resolve(guestOffset + done, lengthBytes - done);
      if (extent.kind !== 'data') return false;
      done += extent.lengthBytes;
    }
    return true;
  }

  /** Overwrites in place from the start, as far as that goes; returns how many bytes it did. */
  *#overwrite(src: Uint8Array, guestOffset: number): Step<number> {
    const { guard } = this.#turns;
    let turn: GuardedTurn | undefined;
    let done = 0;
    try {
      while (done < src.length) {
        const extent = yield* this.#resolve(guestOffset + done, src.length - done);
        if (extent.kind !== 'data') break;
        if (turn === undefined) {
          turn = guard.enterChange(guestOffset, guestOffset + src.length);
          if (turn.waitsFor > 0) {
            yield* guard.turn(turn);
            // The extent has been used for something else meanwhile.
            continue;
          }
        }
        const { storage, hostOffset, lengthBytes } = extent;
        if (!isWritable(storage!))
          throw new Error('assertion failed: writable extent, read-only file');
        yield* writeBytes(storage, part(src, done, lengthBytes), hostOffset);
        done += lengthBytes;
      }
      return done;
    } finally {
      if (turn !== undefined) guard.leave(turn);
    }
  }

  /** @param requestStart where the request began that this is the rest of */
  *#writeAlone(src: Uint8Array, guestOffset: number, requestStart = guestOffset): Step<void> {
    if (this.#onlyCompressed) {
      yield* this.compressing().writeAlone(src, guestOffset);
      return;
    }
    let goesOn = guestOffset > requestStart;
    for (let done = 0; done < src.length;) {
      done += yield* this.#overwrite(part(src, done, src.length - done), guestOffset + done);
      if (done === src.length) return;
      const at = guestOffset + done;
      const behind = at > requestStart ? yield* this.#hostEndOf(at) : undefined;
      done += yield* this.#allocateAndWrite(src.subarray(done), at, { behind, goesOn });
      goesOn = true;
    }
  }

  /** Where the bytes end on the host that lie before `guestOffset`. */
  *#hostEndOf(guestOffset: number): Step<number | undefined> {
    const { kind, hostOffset } = yield* this.#resolve(guestOffset - 1, 1);
    return kind === 'data' ? hostOffset + 1 : undefined;
  }

  /** Writes into new space, as much as one allocation holds. */
  *#allocateAndWrite(src: Uint8Array, guestOffset: number, before: EarlierPart): Step<number> {
    const allocation = yield* this.#allocate(guestOffset, src.length, before);
    if (allocation === undefined) {
      throw new Error('assertion failed: allocating what can be overwritten');
    }
    const written = reachOf(allocation, guestOffset, src.length);
    try {
      yield* this.#fill(allocation, part(src, 0, written), guestOffset);
    } catch (error) {
      yield* cancelAllocation(allocation);
      throw error;
    }
    yield* allocation.commit();
    return written;
  }

  /** @returns undefined where bytes can be overwritten where they lie */
  *#allocate(
    guestOffset: number,
    wantedBytes: number,
    before?: EarlierPart,
  ): Step<Allocation | undefined> {
    const { kind, lengthBytes } = yield* this.#resolve(guestOffset, wantedBytes);
    if (kind === 'data') return undefined;
    return yield* this.#writer.allocate(guestOffset, lengthBytes, before);
  }

  *#fill(allocation: Allocation, src: Uint8Array, guestOffset: number): Step<void> {
    const fill = () => this.#newSpace.fill(allocation, src, guestOffset);
    if (allocation.isUnread) return yield* fill();
    const start = allocation.guestOffset;
    yield* this.guard.change(start, start + allocation.lengthBytes, fill);
  }

  *#resolve(guestOffset: number, lengthBytes: number): Step<Extent> {
    for (let misses = 0; misses < MAX_MISSES; misses++) {
      if (this.#writer.lookupWritable(guestOffset, lengthBytes, this.#extent)) return this.#extent;
      yield* this.#image.load(guestOffset);
    }
    throw new Error(`assertion failed: writable lookup at ${guestOffset} misses after load`);
  }

  /** Makes a range read as zeros, by tables where the format can and by bytes where not. */
  *writeZeroesStep(guestOffset: number, lengthBytes: number, options: ZeroOptions): Step<void> {
    if (lengthBytes === 0) return;
    yield* this.#turns.exclusive(
      () => {
        this.#checkRange('writeZeroes', guestOffset, lengthBytes);
        this.#writer.bitmaps?.markWritten(guestOffset, lengthBytes);
        return this.#zeros.write(guestOffset, lengthBytes, options);
      },
      rangeOf(guestOffset, lengthBytes),
    );
  }

  /** Writes zeros as bytes. Part of a {@link changeStep}; the range may leave the disk. */
  zeroBytesStep(guestOffset: number, lengthBytes: number): Step<void> {
    return this.#zeros.writeBytes(guestOffset, lengthBytes);
  }

  *discardStep(guestOffset: number, lengthBytes: number): Step<void> {
    if (lengthBytes === 0) return;
    yield* this.#turns.exclusive(
      () => {
        this.#checkRange('discard', guestOffset, lengthBytes);
        this.#writer.bitmaps?.markWritten(guestOffset, lengthBytes);
        return this.#zeros.discard(guestOffset, lengthBytes);
      },
      rangeOf(guestOffset, lengthBytes),
    );
  }

  /** Copies into the image what the images below it hold of a range, once its turn has come. */
  *copyUpStep(guestOffset: number, lengthBytes: number): Step<void> {
    if (yield* this.#copyUp.isHeld(guestOffset, lengthBytes)) return;
    yield* this.#turns.exclusive(
      () => {
        this.#checkRange('copyUp', guestOffset, lengthBytes);
        return this.#copyUp.copy(guestOffset, lengthBytes);
      },
      rangeOf(guestOffset, lengthBytes),
    );
  }

  /** Returns once everything written before is durable. */
  *flushStep(): Step<void> {
    yield* this.#turns.exclusive(() => this.#flushAlone());
  }

  *#flushAlone(): Step<void> {
    yield* this.#writer.flush();
    // Nothing of that space is in use any more, nor can it be read again before it is reused.
    this.#turns.flushed(() => this.#reader.forgetDecoded());
  }

  /** Makes all durable and marks the image as cleanly closed. Whatever comes later is refused. */
  *closeStep(): Step<void> {
    yield* this.#turns.exclusive(() => this.#closeAlone());
  }

  *#closeAlone(): Step<void> {
    this.#turns.close();
    yield* this.#flushAlone();
    // What it has freed can be given back to the host as well.
    this.#turns.allowReuse();
    yield* this.#writer.close();
  }
}

function part(bytes: Uint8Array, start: number, lengthBytes: number): Uint8Array {
  const whole = start === 0 && lengthBytes === bytes.length;
  return whole ? bytes : bytes.subarray(start, start + lengthBytes);
}

function rangeOf(guestOffset: number, lengthBytes: number): LockRange {
  return { start: guestOffset, end: guestOffset + lengthBytes };
}

function notCapable(format: string): DiskError {
  return new DiskError('unsupported', 'disk.not-capable', `This ${format} image cannot do that`, {
    hint: 'capabilities of the disk tell what it can do.',
  });
}
