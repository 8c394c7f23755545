/**
 * Node's zlib with one stream for all units, straight into the caller's buffer. The documented
 * synchronous calls make a stream and an output buffer each time. For inflating that is a fifth of
 * the time and tens of megabytes of garbage; for zstd it is most of the time, and hundreds of
 * megabytes that the garbage collector does not know of.
 *
 * The handle inside a zlib stream is not a documented interface, so it is used only on the major
 * versions of Node that it was tried on. Everywhere else, and for every unit that it refuses, there
 * is the documented way.
 */
import { nodeMajor } from './platform.ts';

const OLDEST_NODE = 20;
const NEWEST_NODE = 26;

/** libzstd's ZSTD_e_continue: more input may come. */
const CONTINUE = 0;

type Write = (
  flush: number,
  src: Uint8Array,
  srcOffset: number,
  srcLength: number,
  dst: Uint8Array,
  dstOffset: number,
  dstLength: number,
) => void;

/** The part of the handle that is used here. */
interface Handle {
  reset(): void;
  /** Sets {@link ZlibStream._writeState}; reports what goes wrong through `onerror`. */
  writeSync: Write;
  /** The same on another thread. Calls {@link cb} at the end, or `onerror`. */
  write: Write;
  /** Called by the stream, which does nothing else with what was written when it is destroyed. */
  cb?: () => void;
  /** The input of that write, so that it is not collected meanwhile. */
  buffer?: Uint8Array | null;
  onerror: () => void;
}

/** What `zlib.createInflateRaw()` and its kin return, and what is used of it. */
export interface ZlibStream {
  readonly _handle: Handle;
  /** Bytes of output, then of input, that the last write left unused. */
  readonly _writeState: Uint32Array;
  close(): void;
}

/** Whether handles can be relied on here. */
export function canReuseZlib(major = nodeMajor()): boolean {
  return major !== undefined && major >= OLDEST_NODE && major <= NEWEST_NODE;
}

export class ReusedZlib {
  readonly #create: () => unknown;
  readonly #flush: number;
  readonly #resets: boolean;
  readonly #room = new Uint8Array(1);
  #stream: ZlibStream | undefined;
  #isBroken = false;
  #onError: (() => void) | undefined;

  /**
   * @param flush mode of zlib or libzstd for the one write that a unit is
   * @param resets whether a stream is reset before each unit. For encoding by zstd it must not be:
   *   until Node 26 the settings are lost by that. A stream that has come to its end needs no reset.
   */
  constructor(create: () => unknown, flush: number, resets = true) {
    this.#create = create;
    this.#flush = flush;
    this.#resets = resets;
  }

  /**
   * Decodes or encodes to the start of `dst`, as far as that goes.
   * @returns bytes that were filled; undefined when the stream is refused, `dst` is undefined then
   */
  run(src: Uint8Array, dst: Uint8Array): number | undefined {
    if (src.length === 0 || dst.length === 0) return undefined;
    const { _handle, _writeState } = this.#started();
    _handle.writeSync(this.#flush, src, 0, src.length, dst, 0, dst.length);
    return this.#filledBytes(dst, _writeState[0]!);
  }

  /** As {@link run} on another thread; one at a time, and nothing else meanwhile. */
  runAside(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    if (src.length === 0 || dst.length === 0) return Promise.resolve(undefined);
    const { _handle, _writeState } = this.#started();
    return new Promise((resolve) => {
      const settle = () => resolve(this.#filledBytes(dst, _writeState[0]!));
      _handle.buffer = src;
      _handle.cb = settle;
      this.#onError = settle;
      _handle.write(this.#flush, src, 0, src.length, dst, 0, dst.length);
    });
  }

  #filledBytes(dst: Uint8Array, unusedBytes: number): number | undefined {
    const mayGoOn = unusedBytes === 0 && !this.#resets;
    // Some versions of Node keep reporting an error that was there once.
    if (this.#isBroken || mayGoOn) this.#drop();
    return this.#isBroken ? undefined : dst.length - unusedBytes;
  }

  /**
   * Whether the stream that was run last is at its end: all input used, no output held back.
   * For formats in which going on with an empty input is allowed.
   */
  isAtEnd(): boolean {
    if (this.#stream === undefined) return false;
    const { _handle, _writeState } = this.#stream;
    if (_writeState[1] !== 0) return false;
    _handle.writeSync(CONTINUE, this.#room, 0, 0, this.#room, 0, 1);
    return !this.#isBroken && _writeState[0] === 1;
  }

  /** The stream, ready for another unit. */
  #started(): ZlibStream {
    this.#isBroken = false;
    this.#onError = undefined;
    this.#stream ??= this.#open();
    if (this.#resets) this.#stream._handle.reset();
    return this.#stream;
  }

  #open(): ZlibStream {
    const stream = this.#create() as ZlibStream;
    // Keeps it from taking the output for itself when another thread has written it.
    Object.defineProperty(stream, 'destroyed', { value: true });
    stream._handle.onerror = () => {
      this.#isBroken = true;
      this.#onError?.();
    };
    return stream;
  }

  #drop(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }
}
