/** The last bytes of an LZMA2 stream that is decoded in pieces: its dictionary. */
import { DiskError } from '@diskfile/bytes';
import { Lzma2Decoder, type Lzma2State } from './lzma2.ts';

/** The most that one chunk yields. */
const MAX_CHUNK_BYTES = 2 * 1024 * 1024;
/** What the program xz uses at most is half of it. */
const MAX_DICTIONARY_BYTES = 128 * 1024 * 1024;
const FIRST_BYTES = 2 * MAX_CHUNK_BYTES;

/** What a stream needs to be gone on with in the middle of a block. */
export interface WindowState {
  readonly lzma2: Lzma2State;
  readonly dictionary: Uint8Array;
}

/** A buffer that grows with what has been decoded, up to what matches can reach. */
export class Window {
  readonly #lzma2 = new Lzma2Decoder();
  #bytes = new Uint8Array(FIRST_BYTES);
  #dictionaryBytes = 0;
  /** How far the caller has taken what was decoded. */
  #takenAt = 0;

  /** Begins a block. */
  start(dictionaryBytes: number): void {
    this.#dictionaryBytes = boundedDictionary(dictionaryBytes);
    this.#lzma2.start(0, 0);
    this.#takenAt = 0;
  }

  /** How many bytes have been decoded and not been taken. */
  get pendingBytes(): number {
    return this.#lzma2.dstAt - this.#takenAt;
  }

  /** Decodes one whole chunk; what the last one yielded has been taken. False where it is the end. */
  decodeChunk(chunk: Uint8Array): boolean {
    this.#makeRoom();
    this.#lzma2.srcAt = 0;
    return this.#lzma2.decodeChunk(chunk, this.#bytes);
  }

  /** The bytes that the last chunk yielded. */
  get pending(): Uint8Array {
    return this.#bytes.subarray(this.#takenAt, this.#lzma2.dstAt);
  }

  /** Moves as much of what is pending to `dst` as fits. Returns how much that was. */
  take(dst: Uint8Array): number {
    const lengthBytes = Math.min(dst.length, this.pendingBytes);
    dst.set(this.#bytes.subarray(this.#takenAt, this.#takenAt + lengthBytes));
    this.#takenAt += lengthBytes;
    return lengthBytes;
  }

  /** Says that all of what is pending has been taken. */
  dropPending(): void {
    this.#takenAt = this.#lzma2.dstAt;
  }

  save(): WindowState {
    const end = this.#lzma2.dstAt;
    const start = Math.max(0, end - this.#dictionaryBytes);
    return { lzma2: this.#lzma2.saveState(), dictionary: this.#bytes.slice(start, end) };
  }

  restore(dictionaryBytes: number, { lzma2, dictionary }: WindowState): void {
    this.start(dictionaryBytes);
    while (this.#bytes.length < dictionary.length + MAX_CHUNK_BYTES) this.#grow();
    this.#bytes.set(dictionary);
    this.#lzma2.restoreState(lzma2, dictionary.length);
    this.#takenAt = dictionary.length;
  }

  #makeRoom(): void {
    if (this.#bytes.length - this.#lzma2.dstAt >= MAX_CHUNK_BYTES) return;
    // A quarter more than needed, so that the dictionary is not moved for every chunk.
    const dictionaryBytes = this.#dictionaryBytes;
    const enoughBytes = dictionaryBytes + Math.max(MAX_CHUNK_BYTES, dictionaryBytes / 4);
    if (this.#bytes.length < enoughBytes) return this.#grow();
    const movedBytes = this.#lzma2.dstAt - dictionaryBytes;
    this.#bytes.copyWithin(0, movedBytes, this.#lzma2.dstAt);
    this.#lzma2.moveBack(movedBytes);
    this.#takenAt -= movedBytes;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

function boundedDictionary(dictionaryBytes: number): number {
  if (dictionaryBytes <= MAX_DICTIONARY_BYTES) return dictionaryBytes;
  throw new DiskError(
    'limit',
    'codec.xz-dictionary',
    `An xz stream asks for a dictionary of ${dictionaryBytes} bytes, above ${MAX_DICTIONARY_BYTES}`,
    { hint: 'Pack the disk again with a smaller dictionary.' },
  );
}
