/**
 * An encoder that gives what QEMU made of the same units. Versions of zlib differ in the bytes that
 * they make; with those of QEMU, all of an image can be compared.
 */
import { createInflateRaw, type InflateRaw } from 'node:zlib';
import { once } from 'node:events';
import type { Encoder, EncoderSet, Step } from '@diskfile/core';
import { readZstdFrame } from '@diskfile/bytes';

export class ReplayedEncoder implements Encoder, EncoderSet {
  id = '';
  readonly #known = new Map<string, Uint8Array>();
  readonly #clusterBytes: number;

  constructor(clusterBytes: number) {
    this.#clusterBytes = clusterBytes;
  }

  /** Takes over how QEMU's image holds one unit; plain clusters are those that got no smaller. */
  async learn(image: Uint8Array, cluster: number, content: Uint8Array): Promise<void> {
    const view = new DataView(image.buffer, image.byteOffset);
    const perTable = this.#clusterBytes / 8;
    const l1 = Number(view.getBigUint64(40)) + Math.floor(cluster / perTable) * 8;
    const table = Number(view.getBigUint64(l1) & 0xff_ffff_ffff_fe00n);
    const entry = view.getBigUint64(table + (cluster % perTable) * 8);
    if ((entry & (1n << 62n)) === 0n) return;
    const bits = BigInt(70 - Math.log2(this.#clusterBytes));
    const start = Number(entry & ((1n << bits) - 1n));
    const sectors = Number((entry & ((1n << 62n) - 1n)) >> bits) + 1;
    const encoded = image.subarray(start, start - (start % 512) + sectors * 512);
    const isZstd = view.getUint32(4) === 3 && view.getUint8(104) === 1;
    const length = isZstd ? readZstdFrame(encoded, 0).end : await deflatedLength(encoded);
    this.#known.set(this.#keyOf(content), encoded.slice(0, length));
  }

  #keyOf(content: Uint8Array): string {
    const whole = Buffer.alloc(this.#clusterBytes);
    whole.set(content);
    return whole.toString('latin1');
  }

  *load(id: string): Step<Encoder> {
    this.id = id;
    return this;
  }

  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined {
    const encoded = this.#known.get(this.#keyOf(src));
    if (encoded === undefined) return undefined;
    dst.set(encoded);
    return encoded.length;
  }

  async encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined> {
    return this.encodeSync(src, dst);
  }
}

/** How much of `bytes` a deflate stream takes. */
async function deflatedLength(bytes: Uint8Array): Promise<number> {
  const inflate: InflateRaw = createInflateRaw();
  inflate.resume();
  inflate.end(bytes);
  await once(inflate, 'end');
  return inflate.bytesWritten;
}
