/** Numbers of bytes as qemu-io reads and prints them. */

const UNITS = 'bkmgtpe';
const MAX_INT64 = 2n ** 63n - 1n;

/** The largest number below 2^63. */
const MAX_NUMBER = 2 ** 63 - 1024;

export type ParsedNumber = { readonly value: number } | { readonly fault: string };

/**
 * A number with or without a unit: `64k`, `1.5M`, `0x200`. Above 2^53 it is not exact, which no disk
 * is large enough to notice.
 */
export function parseNumber(text: string): ParsedNumber {
  const match = /^\s*\+?(?:(0[xX][0-9a-fA-F]+)|(\d+(?:\.\d*)?|\.\d+))([bkmgtpe]?)$/i.exec(text);
  const [, hexadecimal, decimal, unit = ''] = match ?? [];
  const exponent = unit === '' ? 0 : UNITS.indexOf(unit.toLowerCase());
  const isFraction = exponent === 0 && /\.\d*[1-9]/.test(decimal ?? '');
  if (match === null || isFraction || (hexadecimal !== undefined && unit !== '')) {
    return {
      fault: `Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- ${text}`,
    };
  }
  const whole = hexadecimal ?? decimal!;
  const bytes = whole.includes('.')
    ? BigInt(Math.trunc(Number(whole) * 1024 ** exponent))
    : BigInt(whole) * 1024n ** BigInt(exponent);
  // No more than what is still below 2^63 as a number.
  if (bytes <= MAX_INT64) return { value: Math.min(Number(bytes), MAX_NUMBER) };
  return { fault: `Parsing error: argument too large -- ${text}` };
}

const PREFIXES = ['EiB', 'PiB', 'TiB', 'GiB', 'MiB', 'KiB'];

/** `64 KiB`, `1.500 MiB`, `512 bytes`. */
export function byteText(bytes: number): string {
  for (const [index, prefix] of PREFIXES.entries()) {
    const unit = 1024 ** (PREFIXES.length - index);
    if (bytes >= unit) return `${withoutZeros(threeDecimals(bytes / unit))} ${prefix}`;
  }
  return `${withoutZeros(bytes.toFixed(6))} bytes`;
}

/** Halves go to the even neighbour, as in the C library. */
function threeDecimals(value: number): string {
  const thousandths = value * 1000;
  const below = Math.floor(thousandths);
  const isTie = thousandths - below === 0.5 && below % 2 === 0;
  return isTie ? (below / 1000).toFixed(3) : value.toFixed(3);
}

/** Cut where three zeros follow the point. */
function withoutZeros(digits: string): string {
  const place = digits.indexOf('.000');
  return place === -1 ? digits : digits.slice(0, place);
}

/** A byte that fills buffers; undefined for what is none. */
export function parsePattern(text: string): number | undefined {
  const match = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, digits] = match;
  const isOctal = /^0[0-7]+$/.test(digits!);
  const value = isOctal ? parseInt(digits!, 8) : Number(digits);
  return sign === '-' && value !== 0 ? undefined : value <= 255 ? value : undefined;
}
