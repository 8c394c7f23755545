/** What a bitmap must be like to be made. */
import { decodeName, encodeName, isPowerOfTwo, powerOfTwo } from '@diskfile/bytes';
import { type NewBitmap, quote } from '@diskfile/core';
import type { Qcow2Header } from '../header/header.ts';
import { type BitmapEntry, FLAG, MAX_NAME_BYTES } from './bitmap-entry.ts';
import {
  defaultGranularity,
  isPossible,
  MAX_GRANULARITY_BITS,
  MIN_GRANULARITY_BITS,
} from './bitmap-geometry.ts';
import { bitmapImpossible, refuse } from './refusals.ts';

/**
 * The directory entry of a new bitmap, still without a table.
 * @throws DiskError `invalid-argument`; `unsupported` in version 2
 */
export function newEntry(
  { name, granularityBytes, enabled }: NewBitmap,
  header: Qcow2Header,
): BitmapEntry {
  if (header.version === 2) {
    throw refuse(
      'unsupported',
      'qcow2.bitmap-version-2',
      'Images of version 2 have no bitmaps',
      'Amend the image to compat=1.1 first.',
    );
  }
  checkName(name);
  const granule = granularityBytes ?? defaultGranularity(header.clusterBytes);
  const granularityBits = granularityBitsOf(granule);
  if (!isPossible(header.sizeBytes, granularityBits)) throw bitmapImpossible(name, granule);
  return {
    name,
    granularityBits,
    flags: enabled ? FLAG.auto : 0,
    extraData: new Uint8Array(0),
    table: { offset: 0, entries: 0 },
  };
}

function checkName(name: string): void {
  const bytes = encodeName(name);
  const storable = decodeName(bytes) === name && !name.includes('\0');
  if (storable && bytes.length > 0 && bytes.length <= MAX_NAME_BYTES) return;
  throw refuse(
    'invalid-argument',
    'qcow2.bitmap-name',
    `A bitmap has a name of 1 to ${MAX_NAME_BYTES} bytes; ${quote(name)} is none`,
    'Choose a shorter name, of characters that UTF-8 has.',
  );
}

function granularityBitsOf(granularityBytes: number): number {
  const [min, max] = [powerOfTwo(MIN_GRANULARITY_BITS), powerOfTwo(MAX_GRANULARITY_BITS)];
  if (isPowerOfTwo(granularityBytes) && granularityBytes >= min && granularityBytes <= max) {
    return Math.log2(granularityBytes);
  }
  throw refuse(
    'invalid-argument',
    'qcow2.bitmap-granularity',
    `The granularity of a bitmap is a power of two from ${min} to ${max}, not ${granularityBytes}`,
    'Leave it out for the default.',
  );
}
