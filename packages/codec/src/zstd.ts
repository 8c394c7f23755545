/**
 * Zstandard (RFC 8878) as compressed clusters hold it: one frame or several, with or without a
 * content size, followed by anything. As in QEMU, a unit is good when a frame ends where the output
 * is full.
 */
import { brokenZstd, DiskError, readZstdFrame } from '@diskfile/bytes';
import { type Decoder, hostCall, runAsync, runSync, type Step } from '@diskfile/core';
import type { NodeZlib, ZlibOptions } from './platform.ts';
import { canReuseZlib, ReusedZlib } from './reused-zlib.ts';
import type { ByteVector, ZstdBinding } from './zstd-binding.ts';

/** Frames per unit; each costs a decoder's set-up, and real units hold one or a few. */
const MAX_FRAMES = 1024;

/** Decodes one whole frame to the start of `dst` and returns the length of its content. */
interface FrameDecoder {
  /** @throws DiskError `corrupt` when the frame is broken or its content longer than `dst`. */
  decodeFrame(frame: Uint8Array, dst: Uint8Array): Step<number>;
}

export class ZstdDecoder implements Decoder {
  readonly id = 'zstd';
  readonly #frames: FrameDecoder;

  constructor(frames: FrameDecoder) {
    this.#frames = frames;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    runSync(this.#decode(src, dst));
  }

  decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    return runAsync(this.#decode(src, dst));
  }

  *#decode(src: Uint8Array, dst: Uint8Array): Step<void> {
    let filledBytes = 0;
    let start = 0;
    for (let frames = 0; filledBytes < dst.length; frames++) {
      if (frames === MAX_FRAMES) throw tooManyFrames();
      const { end, skippable, contentBytes = 0 } = readZstdFrame(src, start);
      if (!skippable) {
        const rest = dst.subarray(filledBytes);
        // Checked here because libzstd would set memory aside for all of it.
        if (contentBytes > rest.length) throw contentTooLong();
        filledBytes += yield* this.#frames.decodeFrame(src.subarray(start, end), rest);
      }
      start = end;
    }
  }
}

function contentTooLong(): DiskError {
  return brokenZstd('it yields more bytes than it should');
}

function tooManyFrames(): DiskError {
  return new DiskError(
    'limit',
    'codec.zstd-frames',
    `A zstd stream consists of more than ${MAX_FRAMES} frames`,
  );
}

/** libzstd's ZSTD_e_end: all of the input is there. */
const ZSTD_END = 2;
/** libzstd's ZSTD_d_windowLogMax. */
const WINDOW_LOG_MAX = 100;
/** A decompressor that is kept keeps its window too; every decoder has to take this much: 8 MiB. */
const KEPT_WINDOW_LOG = 23;
/** Up to here, decoding takes less time than the way to another thread and back. */
const SMALL_BYTES = 256 * 1024;

/** By `node:zlib`, from Node 22.15 on. */
export class NativeZstdFrames implements FrameDecoder {
  readonly #zlib: Required<NodeZlib>;
  readonly #reused: ReusedZlib | undefined;

  constructor(zlib: Required<NodeZlib>, reuse = canReuseZlib()) {
    const params = { [WINDOW_LOG_MAX]: KEPT_WINDOW_LOG };
    this.#zlib = zlib;
    this.#reused = reuse
      ? new ReusedZlib(() => zlib.createZstdDecompress({ params }), ZSTD_END)
      : undefined;
  }

  *decodeFrame(frame: Uint8Array, dst: Uint8Array): Step<number> {
    const reuse = () => this.#decodeReusing(frame, dst);
    const filledBytes =
      dst.length <= SMALL_BYTES ? reuse() : yield* hostCall(reuse, async () => undefined);
    return filledBytes ?? (yield* this.#decodeOnce(frame, dst));
  }

  #decodeReusing(frame: Uint8Array, dst: Uint8Array): number | undefined {
    const filledBytes = this.#reused?.run(frame, dst);
    return filledBytes !== undefined && this.#reused!.isAtEnd() ? filledBytes : undefined;
  }

  *#decodeOnce(frame: Uint8Array, dst: Uint8Array): Step<number> {
    const options = outputUpTo(dst.length);
    let decoded: Uint8Array;
    try {
      decoded = yield* hostCall(
        () => this.#zlib.zstdDecompressSync(frame, options),
        () => this.#decompress(frame, options),
      );
    } catch (cause) {
      throw brokenZstd(cause instanceof Error ? cause.message : String(cause), cause);
    }
    if (decoded.length > dst.length) throw contentTooLong();
    dst.set(decoded);
    return decoded.length;
  }

  #decompress(frame: Uint8Array, options: ZlibOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#zlib.zstdDecompress(frame, options, (failure, decoded) => {
        if (failure === null) resolve(decoded);
        else reject(failure);
      });
    });
  }
}

/** With room to spare the end of a frame is seen without another output buffer. */
function outputUpTo(lengthBytes: number): ZlibOptions {
  const roomBytes = lengthBytes + 64;
  return { chunkSize: roomBytes, maxOutputLength: roomBytes };
}

/** The WebAssembly memory cannot grow; two vectors of this size and libzstd fit. */
const MAX_VECTOR_BYTES = 4 * 1024 * 1024;

/**
 * By `zstd-codec`, libzstd as WebAssembly. A frame is decoded in one call straight into a vector
 * that is kept, so no window is allocated, whatever size a frame asks for.
 */
export class PortableZstdFrames implements FrameDecoder {
  readonly #binding: ZstdBinding;
  readonly #codec: InstanceType<ZstdBinding['ZstdCodec']>;
  #encoded: ByteVector;
  #decoded: ByteVector;
  /** Bytes that either vector can take without moving. */
  #vectorBytes = 0;

  constructor(binding: ZstdBinding) {
    this.#binding = binding;
    this.#codec = new binding.ZstdCodec();
    this.#encoded = new binding.VectorU8();
    this.#decoded = new binding.VectorU8();
  }

  // eslint-disable-next-line require-yield
  *decodeFrame(frame: Uint8Array, dst: Uint8Array): Step<number> {
    this.#makeRoom(Math.max(frame.length, dst.length));
    const lengthBytes = this.#decompress(frame);
    if (lengthBytes < 0) throw brokenZstd('libzstd refuses it');
    if (lengthBytes > dst.length) throw contentTooLong();
    dst.set(this.#binding.toTypedArrayView(this.#decoded).subarray(0, lengthBytes));
    return lengthBytes;
  }

  /** Length of what is in the vector then, negative for a broken frame. */
  #decompress(frame: Uint8Array): number {
    try {
      this.#binding.cloneToVector(this.#encoded, frame);
      return this.#codec.decompress(this.#decoded, this.#encoded);
    } catch (cause) {
      // WebAssembly that traps throws an error of its own kind, and Emscripten plain text.
      throw brokenZstd(String(cause), cause);
    }
  }

  /** Makes the vectors anew when they are too small: grown in place, old and new would coexist. */
  #makeRoom(lengthBytes: number): void {
    if (lengthBytes <= this.#vectorBytes) return;
    if (lengthBytes > MAX_VECTOR_BYTES) throw unitTooLarge(lengthBytes);
    this.#encoded.delete();
    this.#decoded.delete();
    this.#encoded = new this.#binding.VectorU8();
    this.#decoded = new this.#binding.VectorU8();
    this.#vectorBytes = Math.min(MAX_VECTOR_BYTES, lengthBytes * 2);
    this.#encoded.resize(this.#vectorBytes, 0);
    this.#decoded.resize(this.#vectorBytes, 0);
  }
}

function unitTooLarge(lengthBytes: number): DiskError {
  return new DiskError(
    'limit',
    'codec.zstd-unit',
    `A zstd unit of ${lengthBytes} bytes is too large for the portable decoder`,
    { hint: 'Use Node 22.15 or newer, which has zstd of its own.' },
  );
}
