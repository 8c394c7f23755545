/** Numbers in options, as command lines have them. */
const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/** A number, or text: digits and perhaps `k`, `M`, `G` … Undefined for anything else. */
export function parseByteCount(value: string | number | boolean): number | undefined {
  const match = /^(\d{1,16})([kmgtp]?)$/i.exec(String(value));
  const bytes = match && Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toLowerCase());
  return bytes !== null && Number.isSafeInteger(bytes) ? bytes : undefined;
}
