/** Bits of Zstandard (RFC 8878): tables are read forwards, coded symbols backwards. */
import { brokenZstd } from '@diskfile/bytes';

/** Reads from the lowest bit of the first byte on. */
export class ForwardBits {
  readonly #bytes: Uint8Array;
  readonly #endBit: number;
  #bit: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#bit = start * 8;
    this.#endBit = end * 8;
  }

  /** @param count up to 16 */
  read(count: number): number {
    const bit = this.#bit;
    if (bit + count > this.#endBit) throw brokenZstd('a table ends within a number');
    this.#bit += count;
    const at = bit >>> 3;
    const bytes = this.#bytes;
    const word = bytes[at]! | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (word >>> (bit & 7)) & ((1 << count) - 1);
  }

  /** Behind the last byte that was read from. */
  get byteEnd(): number {
    return Math.ceil(this.#bit / 8);
  }
}

/**
 * Reads towards the start, from below the highest bit that is set in the last byte (section 4.1,
 * "Bitstream"). Bits before the start are zeros; whoever reads those sees it by {@link left}.
 */
export class BackwardBits {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Bits that have not been read; negative once there were too few. */
  left = 0;

  begin(bytes: Uint8Array, start: number, end: number): void {
    const last = end > start ? bytes[end - 1]! : 0;
    if (last === 0) throw brokenZstd('a stream of bits has no end');
    this.#bytes = bytes;
    this.#start = start;
    this.left = (end - start) * 8 - (Math.clz32(last) - 24) - 1;
  }

  /** @param count up to 25 */
  peek(count: number): number {
    const bit = this.left - count;
    if (bit < 0) return this.left <= 0 ? 0 : this.#wordAt(0, this.left) << -bit;
    return this.#wordAt(bit, count);
  }

  #wordAt(bit: number, count: number): number {
    const bytes = this.#bytes;
    const at = this.#start + (bit >>> 3);
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    return (word >>> (bit & 7)) & ((1 << count) - 1);
  }

  /** @param count up to 31 */
  read(count: number): number {
    if (count > 16) {
      const high = this.read(count - 16);
      return high * 0x1_0000 + this.read(16);
    }
    const value = this.peek(count);
    this.left -= count;
    return value;
  }
}
