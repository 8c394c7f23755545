/** What the decoders of tests take, for every id: deflate with the window of QEMU. */
import { deflateRawSync } from 'node:zlib';
import type { Encoder, EncoderSet, Step } from '@diskfile/core';

class DeflateEncoder implements Encoder {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const encoded = deflateRawSync(src, { windowBits: 12, memLevel: 9 });
    if (encoded.length >= dst.length) return undefined;
    dst.set(encoded);
    return encoded.length;
  }

  /** Units overtake each other. */
  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    for (let turns = (src[0] ?? 0) % 5; turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.encodeSync(src, dst);
  }
}

export class TestEncoders implements EncoderSet {
  readonly loaded: string[] = [];

  *load(id: string, level?: number): Step<Encoder> {
    this.loaded.push(level === undefined ? id : `${id} ${level}`);
    return new DeflateEncoder(id);
  }
}
