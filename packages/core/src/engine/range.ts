/** Checks that every disk and partition makes on what callers pass. */
import { DiskError } from '@diskfile/bytes';

/** @throws DiskError `out-of-range` unless the range lies wholly within the source. */
export function checkRange(
  source: { readonly name: string; readonly sizeBytes: number },
  op: string,
  offset: number,
  length: number,
): void {
  if (typeof offset !== 'number' || typeof length !== 'number') {
    throw new DiskError(
      'invalid-argument',
      'disk.argument',
      `${op} takes a range in numbers, not ${typeof offset} and ${typeof length}`,
      { op, path: source.name, layer: 'engine' },
    );
  }
  const exact = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (exact && offset >= 0 && length >= 0 && offset <= source.sizeBytes - length) return;
  throw new DiskError(
    'out-of-range',
    'disk.range',
    `${length} bytes at ${offset} are not within the disk of ${source.sizeBytes} bytes`,
    { op, path: source.name, offset, length, layer: 'engine' },
  );
}

export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
