/** Byte counts for people, as `ls -h` and `df -h` print them. */

const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/** Powers of 1024, rounded up, with one decimal below ten: `512`, `1.5K`, `66M`. */
export function humanSize(bytes: number): string {
  let scaled = bytes;
  let unit = 0;
  // A value that rounding lifts to 1024 belongs to the next unit.
  while (Math.ceil(scaled) >= 1024 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  if (unit === 0) return String(scaled);
  const tenths = Math.ceil(scaled * 10) / 10;
  return `${tenths < 10 ? tenths.toFixed(1) : Math.ceil(scaled)}${UNITS[unit]}`;
}

const EXACT_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Both forms, as `qemu-img info` gives them: `118 MiB (123731968 bytes)`. */
export function exactSize(bytes: number): string {
  let scaled = bytes;
  let unit = 0;
  while (scaled >= 1024 && unit < EXACT_UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  if (unit === 0) return `${bytes} bytes`;
  return `${Number(scaled.toPrecision(3))} ${EXACT_UNITS[unit]} (${bytes} bytes)`;
}
