/** Checks that every disk and partition makes on what callers pass. */
import { DiskError } from '@diskfile/bytes';

/**
 * Length of a caller's buffer.
 * @throws DiskError `invalid-argument` for anything but an array of bytes
 */
export function byteLength(name: string, op: string, buffer: Uint8Array): number {
  if (ArrayBuffer.isView(buffer) && buffer.BYTES_PER_ELEMENT === 1) return buffer.length;
  throw new DiskError('invalid-argument', 'disk.buffer', `${op} takes a Uint8Array or Buffer`, {
    op,
    path: name,
    layer: 'engine',
  });
}

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

/**
 * Checks a buffer and where it is to go.
 * @returns its length
 * @throws DiskError `invalid-argument`, `out-of-range`
 */
export function checkAccess(
  source: { readonly name: string; readonly sizeBytes: number },
  op: string,
  buffer: Uint8Array,
  offset: number,
): number {
  const length = byteLength(source.name, op, buffer);
  checkRange(source, op, offset, length);
  return length;
}

export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
