/**
 * Where bytes come from. A {@link Storage} is a flat run of host bytes: a file, memory, a slice.
 * A {@link ByteSource} is the part of it that readers need; an opened disk is one as well, so that
 * partitions, filesystems and images within images stand on either.
 */
import { DiskError } from '@diskfile/bytes';
import { type HostCall, hostCall, type Step } from './step.ts';
import type { StorageEvent } from './storage-events.ts';

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
  /** True where the bytes are made out of those of the file called `name`, and lie nowhere in it. */
  readonly isDecoded?: boolean;
  /**
   * Granularity of the host's requests in bytes; 1 where any offset will do. This is for callers to
   * know: requests come at any offset and of any length, and the storage makes do with them.
   */
  readonly requestAlignment: number;
  /** Fills several buffers, one after another, from neighbouring bytes that begin at `offset`. */
  readvSync(buffers: readonly Uint8Array[], offset: number): void;
  readv(buffers: readonly Uint8Array[], offset: number): Promise<void>;
  /**
   * Whether the byte at `offset` lies in a hole, without reading it. Storages that cannot tell
   * leave this out; all of it counts as data then.
   */
  hostRangeSync?(offset: number, lengthBytes: number): HostRange;
  /** There where the storage wants to know what its requests are for. */
  readonly events?: StorageEvents;
  closeSync(): void;
  close(): Promise<void>;
}

/** A storage that can be written. What is written counts as safe only once a flush has returned. */
export interface WritableStorage extends Storage {
  /**
   * Writes all of `src`. The storage grows when that reaches past its end; a gap reads as zeros.
   * @throws DiskError `no-space` or `io`; part of `src` may then be written
   */
  writeSync(src: Uint8Array, offset: number): void;
  write(src: Uint8Array, offset: number): Promise<void>;
  /** Returns once everything written before survives a loss of power. */
  flushSync(): void;
  flush(): Promise<void>;
  /** Sets the size; bytes added read as zeros. */
  truncateSync(sizeBytes: number): void;
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Makes a range read as zeros and gives its space back to the host. False, with nothing changed,
   * where the host cannot do that. Never grows the storage.
   */
  punchHoleSync(offset: number, lengthBytes: number): boolean;
  punchHole(offset: number, lengthBytes: number): Promise<boolean>;
  /**
   * Makes a range read as zeros where that is something else than making a hole.
   * @param mayUnmap whether its space may be given back
   * @returns false, with nothing changed, where zeros have to be written
   */
  zeroSync?(offset: number, lengthBytes: number, mayUnmap: boolean): boolean;
  zero?(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean>;
  /** Gives up what a range holds, where that is something else than making a hole. */
  discardSync?(offset: number, lengthBytes: number): void;
  discard?(offset: number, lengthBytes: number): Promise<void>;
  /**
   * Reserves space on the host for a range, growing the storage to hold it; what was there stays.
   * False, with nothing changed, where the host cannot do that.
   */
  allocateSync(offset: number, lengthBytes: number): boolean;
  allocate(offset: number, lengthBytes: number): Promise<boolean>;
  /** How other threads of the process write to it as well; left out where they cannot. */
  readonly shared?: SharedFile;
}

/** A file that several threads write, each at places of its own. */
export interface SharedFile {
  /** Valid for as long as the storage is not closed. */
  readonly fd: number;
  /** Tells the storage that another thread has written up to here, and that its size may be more. */
  wroteUpTo(endBytes: number): void;
}

/** What a storage offers that wants to be told. */
export interface StorageEvents {
  /** The same storage, each of whose requests is told of as one of guest data. */
  readonly data: Storage;
  /** Another file for the guest data; this storage is told of each request to it. */
  dataIn(file: Storage): Storage;
  /** The same storage, each of whose requests is told of as `event`. */
  during(event: StorageEvent): Storage;
  /** Tells of a moment without a request of its own. */
  announce(event: StorageEvent): HostCall;
  /** Takes note of space that is in no use any more and cannot be given up. */
  leaked(reason: DiskError): void;
}

export function isWritable(storage: Storage): storage is WritableStorage {
  return 'writeSync' in storage;
}

/**
 * The storage of an image that is opened for writing.
 * @param format id of the format, for the error's detail
 * @throws DiskError `unsupported` (`FORMAT.storage-read-only`) for a storage that can only be read
 */
export function writableStorage(
  storage: Storage,
  format: string,
  hint = 'Open the image read-only.',
): WritableStorage {
  if (isWritable(storage)) return storage;
  throw new DiskError(
    'unsupported',
    `${format}.storage-read-only`,
    'A file of the image can only be read',
    { path: storage.name, hint },
  );
}

/** A step that writes all of `src`. */
export function* writeBytes(storage: WritableStorage, src: Uint8Array, offset: number): Step<void> {
  yield {
    runSync: () => storage.writeSync(src, offset),
    run: () => storage.write(src, offset),
  };
}

/** A step that makes everything written before durable. */
export function* flushStorage(storage: WritableStorage): Step<void> {
  yield { runSync: () => storage.flushSync(), run: () => storage.flush() };
}

export function* truncateStorage(storage: WritableStorage, sizeBytes: number): Step<void> {
  yield {
    runSync: () => storage.truncateSync(sizeBytes),
    run: () => storage.truncate(sizeBytes),
  };
}

/** A step that punches a hole where the host can; see {@link WritableStorage.punchHole}. */
export function* punchHole(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
): Step<boolean> {
  return yield* hostCall(
    () => storage.punchHoleSync(offset, lengthBytes),
    () => storage.punchHole(offset, lengthBytes),
  );
}

/** A step that reserves space where the host can; see {@link WritableStorage.allocate}. */
export function* allocateSpace(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
): Step<boolean> {
  return yield* hostCall(
    () => storage.allocateSync(offset, lengthBytes),
    () => storage.allocate(offset, lengthBytes),
  );
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

/** A step that closes storages: all of them, and only then reports the first failure. */
export function* closeStorages(storages: readonly Storage[]): Step<void> {
  let failed: { readonly error: unknown } | undefined;
  for (const storage of storages) {
    try {
      yield* closeStorage(storage);
    } catch (error) {
      failed ??= { error };
    }
  }
  if (failed !== undefined) throw failed.error;
}

/** A step that closes storages after something else has failed, which is what matters then. */
export function* abandonStorages(storages: readonly Storage[]): Step<void> {
  try {
    yield* closeStorages(storages);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

/** The storage to use for guest data. */
export function dataOf(storage: WritableStorage): WritableStorage;
export function dataOf(storage: Storage): Storage;
export function dataOf(storage: Storage): Storage {
  return storage.events?.data ?? storage;
}

/** The storage to use for the guest data of an image that keeps it in a file of its own. */
export function dataIn(image: Storage, file: Storage): Storage {
  return image.events?.dataIn(file) ?? file;
}

/** The storage to use for requests that are about `event`. */
export function during(storage: WritableStorage, event: StorageEvent): WritableStorage;
export function during(storage: Storage, event: StorageEvent): Storage;
export function during(storage: Storage, event: StorageEvent): Storage {
  return storage.events?.during(event) ?? storage;
}

/** Tells that all is to become durable, and sees to it, where somebody wants to be told. */
export function* announceFlush(storage: WritableStorage): Step<void> {
  if (storage.events === undefined) return;
  yield* flushStorage(during(storage, 'flush_to_disk'));
}

/** A step that tells of a moment. */
export function* announce(storage: Storage, event: StorageEvent): Step<void> {
  if (storage.events !== undefined) yield storage.events.announce(event);
}
