/** The bitmap directory: which bitmaps an image has (specification, "Bitmaps extension"). */
import { DiskError } from '@diskfile/bytes';
import {
  type DiskWarning,
  type Limits,
  type OpenContext,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt } from '../errors.ts';
import { AUTOCLEAR } from '../header/features.ts';
import type { Qcow2Header } from '../header/header.ts';
import { bitmapsExtension } from '../structs.ts';
import { type BitmapEntry, decodeDirectory } from './bitmap-entry.ts';

/** QEMU's own bounds. */
export const MAX_BITMAPS = 65_535;
export const MAX_DIRECTORY_BYTES = MAX_BITMAPS * 1024;

/** Where the directory lies. */
export interface DirectoryPlace {
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * What is known of the bitmaps. `stale`: another program wrote and left them behind. `damaged`:
 * there are some, but which cannot be told.
 */
export interface BitmapListing {
  readonly state: 'none' | 'valid' | 'stale' | 'damaged';
  /** Undefined unless the state is `valid`. */
  readonly place: DirectoryPlace | undefined;
  readonly entries: readonly BitmapEntry[];
}

/**
 * Reads the directory. Bitmaps have no say in what the disk holds, so whatever is wrong with them
 * is a warning.
 * @throws DiskError `io`; `limit` where a limit of the caller's is in the way of writing
 */
export function* readBitmapDirectory(
  { storage, limits, writable, warn }: OpenContext,
  header: Qcow2Header,
  extension: Uint8Array | undefined,
): Step<BitmapListing> {
  if (extension === undefined) return without('none');
  if (!header.features.autoclear.has(AUTOCLEAR.bitmaps)) {
    warn(staleBitmaps(header));
    return without('stale');
  }
  try {
    return yield* readDirectory(storage, header.clusterBytes, extension, limits);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'io') throw error;
    // Writing gives up what it cannot keep up to date; a limit of the caller's is no reason to.
    if (error.code === 'limit' && writable) throw error;
    warn({ detail: 'qcow2.bitmaps-damaged', message: `No bitmaps are listed: ${error.message}` });
    return without('damaged');
  }
}

/** Another program has left them behind, or they are in an image that can have none. */
function staleBitmaps({ version }: Qcow2Header): DiskWarning {
  const why =
    version === 2
      ? 'An image of version 2 has no bitmaps'
      : 'The image was changed by a program that does not know bitmaps';
  return { detail: 'qcow2.bitmaps-stale', message: `${why}; they are left out` };
}

function without(state: 'none' | 'stale' | 'damaged'): BitmapListing {
  return { state, place: undefined, entries: [] };
}

/**
 * Reads the directory of bitmaps that the image vouches for.
 * @throws DiskError `corrupt`, `limit` or `io`
 */
export function* readDirectory(
  storage: Storage,
  clusterBytes: number,
  extension: Uint8Array,
  limits: Limits,
): Step<BitmapListing> {
  const raw = decodeExtension(extension, clusterBytes);
  const { bitmap_directory_offset: offset, bitmap_directory_size: lengthBytes } = raw;
  if (lengthBytes > Math.min(MAX_DIRECTORY_BYTES, storage.sizeBytes - offset)) {
    throw corrupt(
      'qcow2.bitmap-directory-size',
      `The bitmap directory claims ${lengthBytes} bytes`,
    );
  }
  if (lengthBytes > limits.maxStructureBytes) throw tooLarge(offset, lengthBytes);
  const bytes = yield* readBytes(storage, offset, lengthBytes);
  const entries = decodeDirectory(bytes, raw.nb_bitmaps);
  return { state: 'valid', place: { offset, lengthBytes }, entries };
}

function decodeExtension(extension: Uint8Array, clusterBytes: number) {
  const whole = extension.length === bitmapsExtension.spanBytes;
  const raw = whole ? bitmapsExtension.decode(extension) : undefined;
  const aligned = raw !== undefined && raw.bitmap_directory_offset % clusterBytes === 0;
  const counted = raw !== undefined && raw.nb_bitmaps > 0 && raw.nb_bitmaps <= MAX_BITMAPS;
  if (aligned && counted && raw.reserved === 0 && raw.bitmap_directory_offset > 0) return raw;
  throw corrupt('qcow2.bitmaps-extension', 'The bitmaps extension of the header is damaged');
}

function tooLarge(offset: number, lengthBytes: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.bitmap-directory-too-large',
    `The bitmap directory takes ${lengthBytes} bytes, more than a structure may`,
    { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
