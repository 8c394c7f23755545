/**
 * Node's zlib with one inflater for all units, straight into the caller's buffer. `inflateRawSync`
 * makes a stream and an output buffer for each call, which is a fifth of its time and tens of
 * megabytes of garbage.
 *
 * The handle inside a zlib stream is not a documented interface, so it is used only on the major
 * versions of Node that it was tried on. Everywhere else, and for every unit that it cannot fill,
 * there is the documented way.
 */
import type { NodeZlib } from './platform.ts';

const OLDEST_NODE = 20;
const NEWEST_NODE = 26;

/** zlib's flush mode that is content with a stream that just stops. */
const Z_SYNC_FLUSH = 2;

/** The part of the handle that is used here. */
interface InflateHandle {
  reset(): void;
  /** Sets {@link InflateStream._writeState}; reports a broken stream through `onerror`. */
  writeSync(
    flush: number,
    src: Uint8Array,
    srcOffset: number,
    srcLength: number,
    dst: Uint8Array,
    dstOffset: number,
    dstLength: number,
  ): void;
  onerror: () => void;
}

interface InflateStream {
  readonly _handle: InflateHandle;
  /** Bytes of output, then of input, that the last write left unused. */
  readonly _writeState: Uint32Array;
}

export class ReusedInflate {
  readonly #handle: InflateHandle;
  readonly #writeState: Uint32Array;
  #isBroken = false;

  private constructor({ _handle, _writeState }: InflateStream) {
    this.#handle = _handle;
    this.#writeState = _writeState;
    _handle.onerror = () => {
      this.#isBroken = true;
    };
  }

  /** Undefined where the platform is not one of those that this was tried on. */
  static make(zlib: NodeZlib, nodeMajor: number | undefined): ReusedInflate | undefined {
    const isKnown = nodeMajor !== undefined && nodeMajor >= OLDEST_NODE && nodeMajor <= NEWEST_NODE;
    if (!isKnown || zlib.createInflateRaw === undefined) return undefined;
    return new ReusedInflate(zlib.createInflateRaw() as InflateStream);
  }

  /** Fills `dst`; false when the stream is broken or too short, `dst` is undefined then. */
  fill(src: Uint8Array, dst: Uint8Array): boolean {
    if (src.length === 0 || dst.length === 0) return false;
    this.#isBroken = false;
    this.#handle.reset();
    this.#handle.writeSync(Z_SYNC_FLUSH, src, 0, src.length, dst, 0, dst.length);
    return !this.#isBroken && this.#writeState[0] === 0;
  }
}
