/**
 * Raw deflate (RFC 1951) as compressed clusters hold it: the stream need not be ended, and anything
 * may follow it. As in QEMU, a unit is good once its output is full.
 *
 * `pako` and not `fflate` is the portable half although both are equally fast: it takes and refuses
 * exactly what zlib does, where `fflate` takes some streams that zlib refuses and the reverse.
 */
import { DiskError } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { type NodeZlib, type Pako, requirePackage, type ZlibOptions } from './platform.ts';
import { canReuseZlib, ReusedZlib } from './reused-zlib.ts';

/** zlib's flush mode that is content with a stream that just stops. */
const Z_SYNC_FLUSH = 2;
/** With room to spare zlib sees the end of the stream without asking for another buffer. */
const SPARE_BYTES = 64;

/** Thrown to leave pako; never seen outside. */
const OUTPUT_FULL = new Error('the output is full');

function brokenStream(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.deflate-broken', `A deflate stream is broken: ${reason}`);
}

function shortStream(actualBytes: number, expectedBytes: number): DiskError {
  return new DiskError(
    'corrupt',
    'codec.deflate-short',
    `A deflate stream yields ${actualBytes} of ${expectedBytes} bytes`,
    { length: expectedBytes },
  );
}

export class PortableInflate implements Decoder {
  readonly id = 'deflate-raw';
  readonly #pako: Pako;

  constructor(pako: Pako) {
    this.#pako = pako;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    if (dst.length === 0) return;
    const inflate = new this.#pako.Inflate({ raw: true, chunkSize: dst.length });
    let filledBytes = 0;
    // Called with the first chunk when it is full, else at the end. Throwing is the way to stop.
    inflate.onData = (chunk) => {
      dst.set(chunk);
      filledBytes = chunk.length;
      if (filledBytes === dst.length) throw OUTPUT_FULL;
    };
    try {
      inflate.push(src, Z_SYNC_FLUSH);
    } catch (error) {
      if (error === OUTPUT_FULL) return;
      throw error;
    }
    if (inflate.err !== 0) throw brokenStream(inflate.msg);
    throw shortStream(filledBytes, dst.length);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }
}

export class NativeInflate implements Decoder {
  readonly id = 'deflate-raw';
  readonly #loadZlib: () => NodeZlib;
  readonly #reused: ReusedZlib | undefined;

  /** @param loadZlib called once there is something to decode, each time */
  constructor(loadZlib: () => NodeZlib, reuse = canReuseZlib()) {
    this.#loadZlib = loadZlib;
    this.#reused = reuse
      ? new ReusedZlib(() => loadZlib().createInflateRaw(), Z_SYNC_FLUSH)
      : undefined;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    if (this.#reused?.run(src, dst) === dst.length) return;
    let decoded: Uint8Array;
    try {
      decoded = this.#loadZlib().inflateRawSync(src, this.#options(dst));
    } catch {
      return decodeCarefully(src, dst);
    }
    deliver(decoded, dst);
  }

  decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#loadZlib().inflateRaw(src, this.#options(dst), (failure, decoded) => {
        try {
          if (failure === null) deliver(decoded, dst);
          else decodeCarefully(src, dst);
          resolve();
        } catch (error) {
          reject(error as DiskError);
        }
      });
    });
  }

  #options(dst: Uint8Array): ZlibOptions {
    const roomBytes = dst.length + SPARE_BYTES;
    return { finishFlush: Z_SYNC_FLUSH, chunkSize: roomBytes, maxOutputLength: roomBytes };
  }
}

function deliver(decoded: Uint8Array, dst: Uint8Array): void {
  if (decoded.length < dst.length) throw shortStream(decoded.length, dst.length);
  dst.set(decoded.length === dst.length ? decoded : decoded.subarray(0, dst.length));
}

/** Node cannot say whether the output was full before a stream went wrong, so that runs again. */
function decodeCarefully(src: Uint8Array, dst: Uint8Array): void {
  new PortableInflate(requirePackage<Pako>('pako')).decodeSync(src, dst);
}
