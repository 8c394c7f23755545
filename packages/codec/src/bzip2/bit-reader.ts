/** Bits of a bzip2 stream, the most significant of each byte first. */
import { brokenBzip2 } from './broken-bzip2.ts';

export class BitReader {
  readonly #src: Uint8Array;
  #at = 0;
  /** The next bits, in the lowest `#count` bits; what is above them has been used. */
  #held = 0;
  #count = 0;

  constructor(src: Uint8Array) {
    this.#src = src;
  }

  /** The next `count` bits, 24 at most, which stay. Past the end there are zeros. */
  peek(count: number): number {
    while (this.#count < count) {
      const at = this.#at++;
      this.#held = (this.#held << 8) | (at < this.#src.length ? this.#src[at]! : 0);
      this.#count += 8;
    }
    return (this.#held >>> (this.#count - count)) & ((1 << count) - 1);
  }

  /** Goes past bits that have been looked at. */
  skip(count: number): void {
    this.#count -= count;
  }

  /** The next `count` bits, 24 at most. */
  read(count: number): number {
    const value = this.peek(count);
    this.#count -= count;
    return value;
  }

  readU32(): number {
    const high = this.read(16);
    return high * 0x1_0000 + this.read(16);
  }

  /** Goes to the next whole byte, if it is not there. */
  alignToByte(): void {
    this.#count -= this.#count % 8;
  }

  /** @throws DiskError `corrupt` when more bits were read than there are */
  requireWithin(): void {
    if (this.#at - Math.floor(this.#count / 8) > this.#src.length) {
      throw brokenBzip2('it ends too early');
    }
  }
}
