/** Zstandard (RFC 8878) for compressed clusters: one frame, which tells how long its content is. */
import { DiskError, setBits, writeU32le, xxh64Low } from '@diskfile/bytes';
import type { Encoder } from '@diskfile/core';
import { NativeEncoder } from './native-encoder.ts';
import type { NodeZlib, ZlibOptions } from './platform.ts';
import type { ByteVector, ZstdBinding } from './zstd-binding.ts';

/** libzstd's default, and so what QEMU uses. */
export const DEFAULT_ZSTD_LEVEL = 3;
/** libzstd's ZSTD_e_end. */
const ZSTD_END = 2;
/** libzstd's ZSTD_c_compressionLevel. */
const COMPRESSION_LEVEL = 100;
/** libzstd's ZSTD_c_checksumFlag. */
const CHECKSUM_FLAG = 201;
const SMALL_BYTES = 16 * 1024;
/** A new context takes as long to set up as to use. */
const SMALL_BYTES_ONCE = 256 * 1024;
/** From here on it takes several times as long to encode. */
const SLOW_LEVEL = 6;

export interface ZstdSettings {
  readonly level: number;
  /** Whether a frame ends in a checksum of its content. */
  readonly checked?: boolean;
}

export function nativeZstd(
  zlib: Required<NodeZlib>,
  { level, checked = false }: ZstdSettings,
  reuse?: boolean,
): Encoder {
  const settings = { params: { [COMPRESSION_LEVEL]: level, [CHECKSUM_FLAG]: checked ? 1 : 0 } };
  const settingsFor = (src: Uint8Array, options: ZlibOptions) => ({
    ...options,
    ...settings,
    pledgedSrcSize: src.length,
  });
  return new NativeEncoder(
    {
      id: 'zstd',
      smallBytes: SMALL_BYTES,
      smallBytesOnce: level < SLOW_LEVEL ? SMALL_BYTES_ONCE : SMALL_BYTES,
      endMode: ZSTD_END,
      resets: false,
      createStream: () => zlib.createZstdCompress(settings),
      encodeSync: (src, options) => zlib.zstdCompressSync(src, settingsFor(src, options)),
      encode: (src, options, done) => zlib.zstdCompress(src, settingsFor(src, options), done),
    },
    reuse,
  );
}

/** The WebAssembly memory cannot grow; two vectors of this size and libzstd fit. */
const MAX_UNIT_BYTES = 2 * 1024 * 1024;

/** By `zstd-codec`, libzstd as WebAssembly. */
export class PortableZstd implements Encoder {
  readonly id = 'zstd';
  readonly #binding: ZstdBinding;
  readonly #codec: InstanceType<ZstdBinding['ZstdCodec']>;
  readonly #level: number;
  #content: ByteVector;
  #frame: ByteVector;
  /** Content that the vectors have room for. */
  #roomBytes = 0;

  constructor(binding: ZstdBinding, level: number) {
    this.#binding = binding;
    this.#codec = new binding.ZstdCodec();
    this.#level = level;
    this.#content = new binding.VectorU8();
    this.#frame = new binding.VectorU8();
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    this.#makeRoom(src.length);
    this.#binding.cloneToVector(this.#content, src);
    const lengthBytes = this.#codec.compress(this.#frame, this.#content, this.#level);
    if (lengthBytes < 0) throw new Error(`assertion failed: libzstd returns ${lengthBytes}`);
    if (lengthBytes >= dst.length) return undefined;
    dst.set(this.#binding.toTypedArrayView(this.#frame).subarray(0, lengthBytes));
    return lengthBytes;
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    return this.encodeSync(src, dst);
  }

  /** Makes the vectors anew when they are too small: grown in place, old and new would coexist. */
  #makeRoom(lengthBytes: number): void {
    if (lengthBytes <= this.#roomBytes) return;
    if (lengthBytes > MAX_UNIT_BYTES) throw unitTooLarge(lengthBytes);
    this.#content.delete();
    this.#frame.delete();
    this.#content = new this.#binding.VectorU8();
    this.#frame = new this.#binding.VectorU8();
    this.#content.resize(lengthBytes, 0);
    this.#frame.resize(this.#codec.compressBound(lengthBytes), 0);
    this.#roomBytes = lengthBytes;
  }
}

/** The bit Content_Checksum_Flag of Frame_Header_Descriptor, and where that is. */
const CHECKSUM_BIT = 0x04;
const DESCRIPTOR_AT = 4;
const CHECKSUM_BYTES = 4;

/** Adds the checksum of the content to frames of an encoder that makes none (section 3.1.1). */
export class CheckedZstd implements Encoder {
  readonly id = 'zstd';
  readonly #encoder: Encoder;

  constructor(encoder: Encoder) {
    this.#encoder = encoder;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    return addChecksum(src, dst, this.#encoder.encodeSync(src, roomIn(dst)));
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    return addChecksum(src, dst, await this.#encoder.encode(src, roomIn(dst)));
  }
}

function roomIn(dst: Uint8Array): Uint8Array {
  return dst.subarray(0, Math.max(0, dst.length - CHECKSUM_BYTES));
}

function addChecksum(
  src: Uint8Array,
  dst: Uint8Array,
  frameBytes: number | undefined,
): number | undefined {
  if (frameBytes === undefined) return undefined;
  dst[DESCRIPTOR_AT] = setBits(dst[DESCRIPTOR_AT]!, CHECKSUM_BIT);
  writeU32le(dst, frameBytes, xxh64Low(src));
  return frameBytes + CHECKSUM_BYTES;
}

function unitTooLarge(lengthBytes: number): DiskError {
  return new DiskError(
    'limit',
    'codec.zstd-unit',
    `A unit of ${lengthBytes} bytes is too large for the portable zstd encoder`,
    { hint: 'Use Node 22.15 or newer, which has zstd of its own.' },
  );
}
