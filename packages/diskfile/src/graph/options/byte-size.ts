/** Numbers of bytes as command lines have them: `64k`, `1.5G`, `0x200`. */
import { checkArgument } from '@diskfile/core';

const UNITS = 'bkmgtpe';

/**
 * @returns undefined for what is no such number, or one that is negative or above 2^53 − 1
 */
export function parseByteSize(text: string): number | undefined {
  checkArgument('parse', 'text', text, 'text');
  const match = /^\s*\+?(?:(0[xX][0-9a-fA-F]+)|(\d+(?:\.\d*)?|\.\d+))([bkmgtpe]?)$/i.exec(text);
  if (match === null) return undefined;
  const [, hexadecimal, decimal, unit] = match;
  // A hexadecimal number has no room for a unit, and bytes have no fractions.
  if (hexadecimal !== undefined && unit !== '') return undefined;
  const exponent = unit === '' ? 0 : UNITS.indexOf(unit!.toLowerCase());
  if (exponent === 0 && decimal?.includes('.')) return undefined;
  const bytes = Math.trunc(Number(hexadecimal ?? decimal) * 1024 ** exponent);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
