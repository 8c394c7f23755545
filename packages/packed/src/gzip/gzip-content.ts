/** The content of a gzip file: one member or several, whose contents follow each other. */
import { crc32, readU32le } from '@diskfile/bytes';
import type { Step, Storage, StreamCheckpoint, StreamCodec, StreamDecoder } from '@diskfile/core';
import { ByteInput, truncated } from '../byte-input.ts';
import { Checkpoints } from '../checkpoints.ts';
import type { Content, PackedSource } from '../content.ts';
import { measure, type Pass } from '../pass.ts';
import { streamStorage } from '../stream-storage.ts';
import { broken, isGzip, skipMemberHeader } from './member-header.ts';

/** CRC32 and ISIZE (RFC 1952, section 2.3.1). */
const TRAILER_BYTES = 8;
/** Of what a file's tables may take in memory, checkpoints are half. */
const CHECKPOINT_SHARE = 0.5;

/**
 * The length of the content stands nowhere: the trailers give it modulo 2^32, each for its member.
 * So opening goes through all of it once, and notes where it can go in again.
 */
export function* openGzip(source: PackedSource): Step<Content> {
  const { storage, decoders, limits } = source;
  const codec = yield* decoders.loadStream('deflate-raw');
  const file: GzipFile = { storage, codec, notes: { members: 0, hasTail: false } };
  const start = { offset: 0, start: () => startOf(file) };
  const checkpoints = new Checkpoints(start, limits.metadataCacheBytes * CHECKPOINT_SHARE);
  file.checkpoints = checkpoints;
  const sizeBytes = yield* measure(yield* startOf(file), limits);
  const { members, hasTail } = file.notes;
  delete file.checkpoints;
  if (hasTail) {
    source.warn({
      detail: 'gzip.tail',
      message: 'The gzip file is followed by something else, which is left out',
    });
  }
  const details = { packing: 'gzip', members, checkpoints: checkpoints.count };
  return { storage: streamStorage(storage, checkpoints, sizeBytes, limits), details };
}

interface GzipFile {
  readonly storage: Storage;
  readonly codec: StreamCodec;
  /** Where the first pass notes places to begin. */
  checkpoints?: Checkpoints;
  readonly notes: { members: number; hasTail: boolean };
}

/** What is known of a member up to some place within it. */
interface MemberState {
  crc: number;
  /** Modulo 2^32. */
  sizeBytes: number;
}

// eslint-disable-next-line require-yield
function* startOf(file: GzipFile): Step<GzipPass> {
  return new GzipPass(file, { hostOffset: 0, offset: 0 });
}

interface GzipPlace {
  readonly hostOffset: number;
  readonly offset: number;
}

class GzipPass implements Pass {
  offset: number;
  readonly #file: GzipFile;
  readonly #input: ByteInput;
  #decoder: StreamDecoder | undefined;
  #member: MemberState = { crc: 0, sizeBytes: 0 };
  #isAtEnd = false;

  constructor(
    file: GzipFile,
    { hostOffset, offset }: GzipPlace,
    within?: { readonly decoder: StreamDecoder; readonly member: MemberState },
  ) {
    this.#file = file;
    this.#input = new ByteInput(file.storage, hostOffset);
    this.offset = offset;
    if (within === undefined) return;
    this.#decoder = within.decoder;
    this.#member = { ...within.member };
  }

  *read(dst: Uint8Array): Step<number> {
    let filled = 0;
    while (filled < dst.length && !this.#isAtEnd) {
      const decoder = this.#decoder ?? (yield* this.#nextMember());
      if (decoder === undefined) break;
      filled += yield* this.#decode(decoder, dst.subarray(filled));
      if (decoder.isAtEnd) yield* this.#endMember();
      else this.#offerCheckpoint(decoder);
    }
    return filled;
  }

  *#decode(decoder: StreamDecoder, dst: Uint8Array): Step<number> {
    const src = yield* this.#input.some();
    decoder.decode(src, dst);
    const { takenBytes, filledBytes, isAtEnd } = decoder;
    if (takenBytes + filledBytes === 0 && !isAtEnd && src.length === 0) {
      throw truncated(this.#file.storage);
    }
    this.#input.skip(takenBytes);
    const member = this.#member;
    member.crc = crc32(dst.subarray(0, filledBytes), member.crc);
    member.sizeBytes = (member.sizeBytes + filledBytes) % 2 ** 32;
    this.offset += filledBytes;
    return filledBytes;
  }

  *#nextMember(): Step<StreamDecoder | undefined> {
    const next = yield* this.#input.peek(2);
    const isFirst = this.#input.offset === 0;
    if (!isGzip(next) && !isFirst) {
      this.#isAtEnd = true;
      // Tapes and disks are filled up with zeros.
      this.#file.notes.hasTail = next.some((byte) => byte !== 0);
      return undefined;
    }
    yield* skipMemberHeader(this.#input);
    this.#member = { crc: 0, sizeBytes: 0 };
    this.#file.notes.members += 1;
    this.#decoder = yield* this.#file.codec.start();
    return this.#decoder;
  }

  *#endMember(): Step<void> {
    const { offset } = this.#input;
    const trailer = yield* this.#input.take(TRAILER_BYTES);
    const { crc, sizeBytes } = this.#member;
    if (readU32le(trailer, 0) !== crc)
      throw broken('The content does not fit its checksum', offset);
    if (readU32le(trailer, 4) !== sizeBytes) {
      throw broken('The content is not as long as the file says', offset);
    }
    this.close();
  }

  #offerCheckpoint(decoder: StreamDecoder): void {
    const { checkpoints } = this.#file;
    if (checkpoints?.wants(this.offset) !== true) return;
    const state = decoder.checkpoint();
    if (state === undefined) return;
    const place = { offset: this.offset, hostOffset: this.#input.offset };
    const file = this.#file;
    const member = { ...this.#member };
    checkpoints.add({
      offset: place.offset,
      sizeBytes: state.sizeBytes,
      start: () => resumeAt(file, place, state, member),
    });
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}

function* resumeAt(
  file: GzipFile,
  place: GzipPlace,
  state: StreamCheckpoint,
  member: MemberState,
): Step<GzipPass> {
  return new GzipPass(file, place, { decoder: yield* file.codec.start(state), member });
}
