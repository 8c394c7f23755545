/** Numbers with a unit, as the command line has them. */
import { Failure } from '../program.ts';

const UNITS = 'BKMGTPE';
export const MAX_INT64 = 2n ** 63n - 1n;
/** QEMU's bound on offsets, so that they can be rounded up without going over 63 bits. */
export const MAX_OFFSET = 2n ** 63n - 2n ** 30n;

/** What is wrong with a text that is to be a size. */
export type SizeFault = 'invalid' | 'range';

/**
 * Bytes that `text` stands for: digits, hexadecimal digits behind `0x`, or a decimal fraction, and
 * perhaps a unit.
 */
export function parseSize(text: string, defaultUnit: 'B' | 'K' | 'M' = 'B'): bigint | SizeFault {
  const match = /^\s*(\+?)(?:0[xX]([0-9a-fA-F]+)|(\d+)(\.\d*)?)([a-zA-Z]?)$/.exec(text);
  if (match === null) return 'invalid';
  const [, , hexadecimal, whole = '', fraction, unit = ''] = match;
  const exponent = UNITS.indexOf(unit === '' ? defaultUnit : unit.toUpperCase());
  if (exponent === -1) return 'invalid';
  if (hexadecimal !== undefined)
    return unit === '' ? inRange(BigInt(`0x${hexadecimal}`)) : 'invalid';
  const multiplier = 1024n ** BigInt(exponent);
  const bytes = BigInt(whole) * multiplier;
  if (fraction === undefined || fraction === '.') return inRange(bytes);
  if (exponent === 0) return /[1-9]/.test(fraction) ? 'invalid' : inRange(bytes);
  return inRange(bytes + BigInt(Math.floor(Number(`0${fraction}`) * Number(multiplier))));
}

function inRange(bytes: bigint): bigint | SizeFault {
  return bytes < 2n ** 64n ? bytes : 'range';
}

export interface SizeRange {
  readonly min?: bigint;
  readonly max?: bigint;
  readonly defaultUnit?: 'B' | 'K' | 'M';
}

/** The size that an argument gives. @throws Failure that calls it `what` */
export function sizeArgument(
  what: string,
  text: string,
  { min = 0n, max = MAX_INT64, defaultUnit = 'B' }: SizeRange = {},
): bigint {
  const size = parseSize(text, defaultUnit);
  if (size === 'invalid') {
    throw new Failure([
      `Invalid ${what} specified. You may use k, M, G, T, P or E suffixes for`,
      'kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.',
    ]);
  }
  if (size === 'range' || size < min || size > max) throw outOfRange(what, min, max);
  return size;
}

function outOfRange(what: string, min: bigint, max: bigint): Failure {
  return max === MAX_INT64 && min > 0n
    ? new Failure(`Invalid ${what} specified. Must be greater than or equal to ${min}.`)
    : new Failure(`Invalid ${what} specified. Must be between ${min} and ${max}.`);
}
