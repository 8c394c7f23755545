/** Rounding of offsets and lengths, exact over the whole range of safe integers. */

export function alignDown(value: number, alignment: number): number {
  return value - (value % alignment);
}

export function alignUp(value: number, alignment: number): number {
  const over = value % alignment;
  return over === 0 ? value : value + (alignment - over);
}

export function isAligned(value: number, alignment: number): boolean {
  return value % alignment === 0;
}

/** `value / divisor`, rounded up. */
export function divideUp(value: number, divisor: number): number {
  return Math.ceil(value / divisor);
}

export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && Number.isInteger(Math.log2(value));
}

/** The power of two `2^exponent`, exact where shifting would truncate. */
export function powerOfTwo(exponent: number): number {
  return 2 ** exponent;
}
