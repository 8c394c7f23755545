/**
 * xxHash ("xxHash fast digest algorithm", specification 0.1.1): XXH32 for LZ4 frames, XXH64 for
 * Zstandard. The halves of 64-bit numbers are kept apart, since BigInt is a hundred times slower.
 */

const P32_1 = 0x9e37_79b1;
const P32_2 = 0x85eb_ca77;
const P32_3 = 0xc2b2_ae3d;
const P32_4 = 0x27d4_eb2f;
const P32_5 = 0x1656_67b1;

/** XXH32 of bytes that come in pieces. */
export class Xxh32 {
  readonly #lanes = Uint32Array.of(P32_1 + P32_2, P32_2, 0, -P32_1);
  readonly #rest = new Uint8Array(16);
  #restBytes = 0;
  #lengthBytes = 0;

  update(bytes: Uint8Array): void {
    let at = 0;
    this.#lengthBytes += bytes.length;
    if (this.#restBytes > 0) {
      at = Math.min(16 - this.#restBytes, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < 16) return;
      this.#stripes(this.#rest, 0, 16);
    }
    const end = at + Math.floor((bytes.length - at) / 16) * 16;
    this.#stripes(bytes, at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restBytes = bytes.length - end;
  }

  #stripes(bytes: Uint8Array, from: number, to: number): void {
    let [a, b, c, d] = this.#lanes as unknown as [number, number, number, number];
    for (let at = from; at < to; at += 16) {
      a = round32(a, word(bytes, at));
      b = round32(b, word(bytes, at + 4));
      c = round32(c, word(bytes, at + 8));
      d = round32(d, word(bytes, at + 12));
    }
    this.#lanes.set([a, b, c, d]);
  }

  digest(): number {
    const [a, b, c, d] = this.#lanes as unknown as [number, number, number, number];
    let hash =
      this.#lengthBytes < 16
        ? P32_5
        : rotate32(a, 1) + rotate32(b, 7) + rotate32(c, 12) + rotate32(d, 18);
    hash = (hash + this.#lengthBytes) | 0;
    const rest = this.#rest;
    let at = 0;
    for (; at + 4 <= this.#restBytes; at += 4) {
      hash = (hash + Math.imul(word(rest, at), P32_3)) | 0;
      hash = Math.imul(rotate32(hash, 17), P32_4);
    }
    for (; at < this.#restBytes; at++) {
      hash = (hash + Math.imul(rest[at]!, P32_5)) | 0;
      hash = Math.imul(rotate32(hash, 11), P32_1);
    }
    hash = Math.imul(hash ^ (hash >>> 15), P32_2);
    hash = Math.imul(hash ^ (hash >>> 13), P32_3);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}

export function xxh32(bytes: Uint8Array): number {
  const hash = new Xxh32();
  hash.update(bytes);
  return hash.digest();
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function rotate32(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function round32(lane: number, input: number): number {
  return Math.imul(rotate32((lane + Math.imul(input, P32_2)) | 0, 13), P32_1);
}

/** A 64-bit number that changes. */
class Word64 {
  high: number;
  low: number;

  constructor(high: number, low: number) {
    this.high = high;
    this.low = low;
  }

  copy(): Word64 {
    return new Word64(this.high, this.low);
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    this.low = sum | 0;
    return this;
  }

  multiply({ high, low }: Word64): this {
    const a = this.low;
    this.high =
      (Math.imul(this.high, low) + Math.imul(a, high) + multiplyHigh(a >>> 0, low >>> 0)) | 0;
    this.low = Math.imul(a, low);
    return this;
  }

  /** @param by from 1 to 31 */
  rotate(by: number): this {
    const { high, low } = this;
    this.high = (high << by) | (low >>> (32 - by));
    this.low = (low << by) | (high >>> (32 - by));
    return this;
  }

  xor(other: Word64): this {
    this.high ^= other.high;
    this.low ^= other.low;
    return this;
  }

  /** @param by from 1 to 63 */
  xorShifted(by: number): this {
    const { high, low } = this;
    this.low ^= by < 32 ? (low >>> by) | (high << (32 - by)) : high >>> (by - 32);
    this.high ^= by < 32 ? high >>> by : 0;
    return this;
  }
}

/** The upper half of the product of two 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x1_0000);
  const other = aLow * bHigh + (middle % 0x1_0000);
  return (aHigh * bHigh + Math.floor(middle / 0x1_0000) + Math.floor(other / 0x1_0000)) | 0;
}

const P64_1 = new Word64(0x9e37_79b1, 0x85eb_ca87);
const P64_2 = new Word64(0xc2b2_ae3d, 0x27d4_eb4f);
const P64_3 = new Word64(0x1656_67b1, 0x9e37_79f9);
const P64_4 = new Word64(0x85eb_ca77, 0xc2b2_ae63);
const P64_5 = new Word64(0x27d4_eb2f, 0x1656_67c5);
const ZERO = new Word64(0, 0);
/** What the four lanes take in at a time. */
const LANES_BYTES = 32;

/** XXH64 in pieces, as far as its lower 32 bits, which are what Zstandard keeps. */
export class Xxh64 {
  readonly #lanes = [
    P64_1.copy().add(P64_2.high, P64_2.low),
    P64_2.copy(),
    ZERO.copy(),
    ZERO.copy().add(~P64_1.high, ~P64_1.low).add(0, 1),
  ] as const;
  /** What does not fill all lanes yet. */
  readonly #rest = new Uint8Array(LANES_BYTES);
  #restBytes = 0;
  #lengthBytes = 0;

  update(bytes: Uint8Array): void {
    this.#lengthBytes += bytes.length;
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(LANES_BYTES - this.#restBytes, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < LANES_BYTES) return;
      this.#takeIn(this.#rest, 0);
      this.#restBytes = 0;
    }
    for (; at + LANES_BYTES <= bytes.length; at += LANES_BYTES) this.#takeIn(bytes, at);
    this.#restBytes = bytes.length - at;
    this.#rest.set(bytes.subarray(at));
  }

  #takeIn(bytes: Uint8Array, at: number): void {
    const [a, b, c, d] = this.#lanes;
    round64(a, bytes, at);
    round64(b, bytes, at + 8);
    round64(c, bytes, at + 16);
    round64(d, bytes, at + 24);
  }

  digestLow(): number {
    const lengthBytes = this.#lengthBytes;
    const bytes = this.#rest.subarray(0, this.#restBytes);
    const hash = lengthBytes < LANES_BYTES ? P64_5.copy() : merged(this.#lanes);
    hash.add(Math.floor(lengthBytes / 2 ** 32), lengthBytes | 0);
    let at = 0;
    for (; at + 8 <= bytes.length; at += 8) {
      hash
        .xor(round64(ZERO.copy(), bytes, at))
        .rotate(27)
        .multiply(P64_1);
      hash.add(P64_4.high, P64_4.low);
    }
    if (at + 4 <= bytes.length) {
      hash
        .xor(new Word64(0, word(bytes, at)).multiply(P64_1))
        .rotate(23)
        .multiply(P64_2);
      hash.add(P64_3.high, P64_3.low);
      at += 4;
    }
    for (; at < bytes.length; at++) {
      hash.xor(new Word64(0, bytes[at]!).multiply(P64_5)).rotate(11).multiply(P64_1);
    }
    hash.xorShifted(33).multiply(P64_2).xorShifted(29).multiply(P64_3).xorShifted(32);
    return hash.low >>> 0;
  }
}

/** The lower 32 bits of XXH64. */
export function xxh64Low(bytes: Uint8Array): number {
  const hash = new Xxh64();
  hash.update(bytes);
  return hash.digestLow();
}

function round64(lane: Word64, bytes: Uint8Array, at: number): Word64 {
  scratch.high = word(bytes, at + 4);
  scratch.low = word(bytes, at);
  scratch.multiply(P64_2);
  return lane.add(scratch.high, scratch.low).rotate(31).multiply(P64_1);
}

const scratch = new Word64(0, 0);

function merged(lanes: readonly [Word64, Word64, Word64, Word64]): Word64 {
  const [a, b, c, d] = lanes;
  const hash = a.copy().rotate(1);
  for (const [lane, by] of [
    [b, 7],
    [c, 12],
    [d, 18],
  ] as const) {
    const { high, low } = lane.copy().rotate(by);
    hash.add(high, low);
  }
  for (const lane of lanes) {
    const mixed = lane.copy().multiply(P64_2).rotate(31).multiply(P64_1);
    hash.xor(mixed).multiply(P64_1).add(P64_4.high, P64_4.low);
  }
  return hash;
}
