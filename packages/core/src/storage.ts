/**
 * Where bytes come from. A {@link Storage} is a flat run of host bytes: a file, memory, a slice.
 * A {@link ByteSource} is the part of it that readers need; an opened disk is one as well, so that
 * partitions, filesystems and images within images stand on either.
 */
import type { HostCall, Step } from './step.ts';

export interface ByteSource {
  /** What errors call it: a path for files. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Whether `readSync` works; a source that only answers later has the asynchronous form only. */
  readonly synchronous: boolean;
  /**
   * Fills `dst` with the bytes from `offset` on. Past the end a {@link Storage} reads as zeros, a
   * disk refuses; `asStorage` makes one of the other.
   * @throws DiskError `io` when the host fails, or when bytes that were there are gone.
   */
  readSync(dst: Uint8Array, offset: number): void;
  read(dst: Uint8Array, offset: number): Promise<void>;
}

/** What the host knows of a range: does it hold data, and how far does that answer reach? */
export interface HostRange {
  readonly data: boolean;
  readonly lengthBytes: number;
}

export interface Storage extends ByteSource {
  /** Bytes that the storage takes on the host, as far as that is known. */
  allocatedBytes(): number;
  /** Equal for two storages that are the same host object; undefined where that has no meaning. */
  readonly identity: string | undefined;
  /** Where the first byte lies in the host file called `name`; 0 when left out. */
  readonly startOffset?: number;
  /** Granularity of the host's requests in bytes; 1 where any offset will do. */
  readonly requestAlignment: number;
  /** Fills several buffers, one after another, from neighbouring bytes that begin at `offset`. */
  readvSync(buffers: readonly Uint8Array[], offset: number): void;
  readv(buffers: readonly Uint8Array[], offset: number): Promise<void>;
  /**
   * Whether the byte at `offset` lies in a hole, without reading it. Storages that cannot tell
   * leave this out; all of it counts as data then.
   */
  hostRangeSync?(offset: number, lengthBytes: number): HostRange;
  closeSync(): void;
  close(): Promise<void>;
}

/** The host call behind {@link readBytes}. */
class ReadCall implements HostCall {
  readonly #source: ByteSource;
  readonly #dst: Uint8Array;
  readonly #offset: number;

  constructor(source: ByteSource, dst: Uint8Array, offset: number) {
    this.#source = source;
    this.#dst = dst;
    this.#offset = offset;
  }

  runSync(): void {
    this.#source.readSync(this.#dst, this.#offset);
  }

  run(): Promise<void> {
    return this.#source.read(this.#dst, this.#offset);
  }
}

/** A step that fills `dst` from `offset` of a source and returns it. Past the end are zeros. */
export function* readInto<B extends Uint8Array>(
  source: ByteSource,
  dst: B,
  offset: number,
): Step<B> {
  yield new ReadCall(source, dst, offset);
  return dst;
}

/**
 * A step that reads `lengthBytes` into a fresh array. The caller has bounded the length: nothing
 * here knows what an image may ask for.
 */
export function* readBytes(
  source: ByteSource,
  offset: number,
  lengthBytes: number,
): Step<Uint8Array> {
  return yield* readInto(source, new Uint8Array(lengthBytes), offset);
}

/** A step that closes a storage. */
export function* closeStorage(storage: Storage): Step<void> {
  yield { runSync: () => storage.closeSync(), run: () => storage.close() };
}
