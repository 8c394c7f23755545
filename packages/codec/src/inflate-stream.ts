/**
 * Raw deflate (RFC 1951) as a stream in pieces, with checkpoints between two blocks. By pako, which
 * gives access to what zlib knows there: the bits left over, and the window.
 */
import { bitField, DiskError, hasAnyBit } from '@diskfile/bytes';
import type { Step, StreamCheckpoint, StreamCodec, StreamDecoder } from '@diskfile/core';
import type { Pako } from './platform.ts';

/** zlib's numbers. */
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
const Z_BLOCK = 5;
const RAW_WINDOW_BITS = -15;
/** Bits of `data_type` after a call with Z_BLOCK, above the count of unused bits. */
const LAST_BLOCK = 64;
const BETWEEN_BLOCKS = 128;

/** The part of pako's state that zlib has calls for (`inflatePrime`, `inflateGetDictionary`). */
interface InflateState {
  hold: number;
  bits: number;
  readonly window: Uint8Array | null;
  readonly wnext: number;
  readonly whave: number;
}

class InflateCheckpoint implements StreamCheckpoint {
  readonly window: Uint8Array;
  readonly hold: number;
  readonly bits: number;

  constructor(window: Uint8Array, hold: number, bits: number) {
    this.window = window;
    this.hold = hold;
    this.bits = bits;
  }

  get sizeBytes(): number {
    return this.window.length;
  }
}

export class InflateStreams implements StreamCodec {
  readonly id = 'deflate-raw';
  readonly #pako: Pako;

  constructor(pako: Pako) {
    this.#pako = pako;
  }

  *start(from?: StreamCheckpoint): Step<InflateStream> {
    if (from === undefined || from instanceof InflateCheckpoint) {
      return new InflateStream(this.#pako, from);
    }
    throw new Error('assertion failed: the checkpoint is one of another codec');
  }
}

class InflateStream implements StreamDecoder {
  takenBytes = 0;
  filledBytes = 0;
  isAtEnd = false;
  readonly #pako: Pako;
  readonly #stream: InstanceType<Pako['ZStream']>;

  constructor(pako: Pako, checkpoint: InflateCheckpoint | undefined) {
    this.#pako = pako;
    this.#stream = new pako.ZStream();
    pako.zlibInflateInit2(this.#stream, RAW_WINDOW_BITS);
    if (checkpoint === undefined) return;
    const state = this.#state;
    state.hold = checkpoint.hold;
    state.bits = checkpoint.bits;
    if (checkpoint.window.length > 0) {
      pako.zlibInflateSetDictionary(this.#stream, checkpoint.window);
    }
  }

  get #state(): InflateState {
    return this.#stream.state as InflateState;
  }

  decode(src: Uint8Array, dst: Uint8Array<ArrayBuffer>): void {
    const stream = this.#stream;
    stream.input = src;
    stream.next_in = 0;
    stream.avail_in = src.length;
    stream.output = dst;
    stream.next_out = 0;
    stream.avail_out = dst.length;
    const status = this.#pako.zlibInflate(stream, Z_BLOCK);
    this.takenBytes = stream.next_in;
    this.filledBytes = stream.next_out;
    if (status === Z_STREAM_END) this.isAtEnd = true;
    else if (status < 0 && status !== Z_BUF_ERROR) {
      throw new DiskError(
        'corrupt',
        'codec.deflate-broken',
        `A deflate stream is broken: ${stream.msg}`,
      );
    }
  }

  checkpoint(): InflateCheckpoint | undefined {
    const { data_type: place } = this.#stream;
    if (!hasAnyBit(place, BETWEEN_BLOCKS) || hasAnyBit(place, LAST_BLOCK)) return undefined;
    const { hold, window, wnext, whave } = this.#state;
    const bits = bitField(place, 0, 6);
    if (bits > 7) throw new Error('assertion failed: whole bytes are left over');
    return new InflateCheckpoint(lastOutput(window, wnext, whave), bitField(hold, 0, bits), bits);
  }

  close(): void {}
}

/** The ring that zlib keeps its last output in, in order. */
function lastOutput(window: Uint8Array | null, next: number, have: number): Uint8Array {
  const inOrder = new Uint8Array(window === null ? 0 : have);
  if (window === null) return inOrder;
  if (have < window.length) inOrder.set(window.subarray(0, have));
  else {
    inOrder.set(window.subarray(next));
    inOrder.set(window.subarray(0, next), window.length - next);
  }
  return inOrder;
}
