/** Byte counts for people, as qemu-img prints them. */

const PREFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Three digits, and the next unit from 1000 on: `1.5 GiB`, `0.977 MiB`. */
export function sizeText(bytes: number): string {
  let unit = 0;
  while (unit < PREFIXES.length - 1 && bytes / 1024 ** unit >= 1000) unit += 1;
  return `${threeDigits(bytes / 1024 ** unit)} ${PREFIXES[unit]}B`;
}

/** The `%0.3g` of printf(3). */
function threeDigits(value: number): string {
  const rounded = roundToEven(value);
  if (rounded >= 1000) {
    const [digits, exponent] = rounded.toExponential().split('e+');
    return `${digits}e+${exponent!.padStart(2, '0')}`;
  }
  return String(rounded);
}

/** Three significant digits; halves go to the even neighbour, as in the C library. */
function roundToEven(value: number): number {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const scaled = value * 10 ** decimals;
  const below = Math.floor(scaled);
  if (scaled - below !== 0.5) return Number(value.toPrecision(3));
  return (below % 2 === 0 ? below : below + 1) / 10 ** decimals;
}
