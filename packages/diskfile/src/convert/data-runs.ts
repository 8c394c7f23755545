/** Finding what of a buffer has to be stored: everything but long runs of zeros. */

/** How zeros are looked for. */
export interface ZeroSearch {
  /** Pieces that are zeros or not, as a whole; they begin at multiples of it on the disk. */
  readonly gridBytes: number;
  /** Zeros between data that are shorter than this are stored like data. */
  readonly leastBytes: number;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Whether bytes of a buffer are all zeros. Data mostly shows at once. */
function isZero(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] !== 0 || bytes[end - 1] !== 0) return false;
  for (let at = start; at < end; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, end - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) !== 0) return false;
  }
  return true;
}

/**
 * Calls `found` for each run of data in `bytes` from `start` to `end`, in their order.
 * @param phase how far behind a multiple of the grid the disk has the byte at `start`
 */
export function eachDataRun(
  bytes: Uint8Array,
  { start, end, phase }: { start: number; end: number; phase: number },
  { gridBytes, leastBytes }: ZeroSearch,
  found: (start: number, end: number) => void,
): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let runStart = -1;
  let runEnd = start;
  for (let at = start; at < end;) {
    const next = Math.min(end, at === start ? at + gridBytes - phase : at + gridBytes);
    if (!isZero(buffer, at, next)) {
      if (runStart !== -1 && at - runEnd >= leastBytes) {
        found(runStart, runEnd);
        runStart = -1;
      }
      if (runStart === -1) runStart = at;
      runEnd = next;
    }
    at = next;
  }
  if (runStart !== -1) found(runStart, runEnd);
}
