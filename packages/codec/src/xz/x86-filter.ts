/**
 * Calls and jumps of x86 (".xz file format", section 5.3.2), whose targets were made absolute. An
 * instruction begins anywhere, so what looks like one within the operand of another that was left as
 * it is has rules of its own.
 */
import type { Filter } from './filter.ts';

const CALL = 0xe8;
const JUMP = 0xe9;
const INSTRUCTION_BYTES = 5;
/** Of the three bytes before an instruction: for each set of those that look like one, may it be one? */
const MAY_FOLLOW = [true, true, true, false, true, false, false, false] as const;
/** For those that may be one: up to which bit of the target the last of them has its own. */
const SHARED_BITS: readonly number[] = [0, 24, 16, 0, 8];

/** Targets are at most 16 MiB away, one way or the other. */
function isNear(lastByte: number): boolean {
  return lastByte === 0 || lastByte === 0xff;
}

export class X86Filter implements Filter {
  /** Where the next byte lies. */
  #position: number;
  /** Where the last byte lies that looked like an instruction. */
  #lastAt: number;
  /**
   * Bit `n` for such a byte that lies `n` bytes before the next one and was left as it is; in the
   * upper four bits whether it would have had a near target.
   */
  #left = 0;

  constructor(startOffset: number) {
    this.#position = startOffset;
    this.#lastAt = startOffset - INSTRUCTION_BYTES;
  }

  decode(bytes: Uint8Array): number {
    const end = bytes.length - INSTRUCTION_BYTES;
    let at = 0;
    while (at <= end) {
      const byte = bytes[at]!;
      if (byte === CALL || byte === JUMP) at += this.#decodeOne(bytes, at);
      else at += 1;
    }
    this.#position += at;
    return at;
  }

  /** @returns how many bytes need not be looked at again */
  #decodeOne(bytes: Uint8Array, at: number): number {
    const address = this.#position + at;
    const distance = address - this.#lastAt;
    this.#lastAt = address;
    if (distance > INSTRUCTION_BYTES) this.#left = 0;
    else for (let step = 0; step < distance; step++) this.#left = (this.#left & 0x77) << 1;
    const before = this.#left >>> 1;
    const mayBe = before < 0x10 && MAY_FOLLOW[before & 7]!;
    if (!mayBe || !isNear(bytes[at + 4]!)) {
      this.#left |= isNear(bytes[at + 4]!) ? 0x11 : 0x01;
      return 1;
    }
    const target = this.#relative(readTarget(bytes, at + 1), address + INSTRUCTION_BYTES);
    bytes[at + 1] = target & 0xff;
    bytes[at + 2] = (target >>> 8) & 0xff;
    bytes[at + 3] = (target >>> 16) & 0xff;
    // The sign stands for all of the last byte.
    bytes[at + 4] = (target >>> 24) & 1 ? 0xff : 0;
    this.#left = 0;
    return INSTRUCTION_BYTES;
  }

  /**
   * Where the target would look near to the instruction before, the encoder went another way around:
   * then all bits up to the shared byte are turned over. That does not look near once more, since
   * what comes out has the shared byte of `absolute` turned over, and that is not near.
   */
  #relative(absolute: number, next: number): number {
    const nextAddress = (next % 2 ** 32) | 0;
    const target = (absolute - nextAddress) | 0;
    if (this.#left === 0) return target;
    const sharedBits = SHARED_BITS[this.#left >>> 1]!;
    if (!isNear((target >>> (sharedBits - 8)) & 0xff)) return target;
    return ((target ^ ((1 << sharedBits) - 1)) - nextAddress) | 0;
  }
}

function readTarget(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
