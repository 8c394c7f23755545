/** Persistent dirty bitmaps (specification, "Bitmaps"): their list, not their content. */
import { alignUp, decodeName, DiskError, powerOfTwo, testBit } from '@diskfile/bytes';
import {
  type BitmapInfo,
  type DiskWarning,
  type Limits,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt } from './errors.ts';
import { AUTOCLEAR } from './features.ts';
import type { Qcow2Header } from './header.ts';
import { bitmapDirectoryEntry, bitmapsExtension } from './structs.ts';

const FLAG_NAMES = ['in-use', 'auto', 'extra-data-compatible'];
const MAX_NAME_BYTES = 1023;
const MAX_GRANULARITY_BITS = 63;

/**
 * Lists the bitmaps. They have no say in what the disk holds, so whatever is wrong with them is a
 * warning and an empty list.
 */
export function* readBitmaps(
  storage: Storage,
  header: Qcow2Header,
  extension: Uint8Array | undefined,
  limits: Limits,
  warn: (warning: DiskWarning) => void,
): Step<BitmapInfo[]> {
  if (extension === undefined) return [];
  if (!header.features.autoclear.has(AUTOCLEAR.bitmaps)) {
    warn({
      detail: 'qcow2.bitmaps-stale',
      message: 'The image was changed by a program that does not know bitmaps; they are left out',
    });
    return [];
  }
  try {
    return yield* readDirectory(storage, header, extension, limits);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'io') throw error;
    warn({ detail: 'qcow2.bitmaps-damaged', message: `No bitmaps are listed: ${error.message}` });
    return [];
  }
}

function* readDirectory(
  storage: Storage,
  { clusterBytes }: Qcow2Header,
  extension: Uint8Array,
  limits: Limits,
): Step<BitmapInfo[]> {
  const raw = decodeExtension(extension, clusterBytes);
  const { bitmap_directory_offset: offset, bitmap_directory_size: lengthBytes } = raw;
  if (lengthBytes > Math.min(limits.maxStructureBytes, storage.sizeBytes - offset)) {
    throw corrupt(
      'qcow2.bitmap-directory-size',
      `The bitmap directory claims ${lengthBytes} bytes`,
    );
  }
  const directory = yield* readBytes(storage, offset, lengthBytes);
  const bitmaps: BitmapInfo[] = [];
  let at = 0;
  while (at < lengthBytes) {
    const { bitmap, spanBytes } = decodeEntry(directory, at);
    bitmaps.push(bitmap);
    at += spanBytes;
  }
  if (bitmaps.length === raw.nb_bitmaps && at === lengthBytes) return bitmaps;
  throw corrupt(
    'qcow2.bitmap-directory',
    `The bitmap directory holds ${bitmaps.length} bitmaps where the header counts ${raw.nb_bitmaps}`,
  );
}

function decodeExtension(extension: Uint8Array, clusterBytes: number) {
  const whole = extension.length === bitmapsExtension.spanBytes;
  const raw = whole ? bitmapsExtension.decode(extension) : undefined;
  const aligned = raw !== undefined && raw.bitmap_directory_offset % clusterBytes === 0;
  if (raw !== undefined && aligned && raw.reserved === 0 && raw.nb_bitmaps > 0) return raw;
  throw corrupt('qcow2.bitmaps-extension', 'The bitmaps extension of the header is damaged');
}

function decodeEntry(directory: Uint8Array, at: number): { bitmap: BitmapInfo; spanBytes: number } {
  const raw = bitmapDirectoryEntry.decode(directory, at);
  const nameOffset = at + bitmapDirectoryEntry.spanBytes + raw.extra_data_size;
  const spanBytes = alignUp(nameOffset + raw.name_size - at, 8);
  const valid =
    raw.type === 1 &&
    raw.name_size > 0 &&
    raw.name_size <= MAX_NAME_BYTES &&
    raw.granularity_bits <= MAX_GRANULARITY_BITS &&
    at + spanBytes <= directory.length;
  if (!valid) throw corrupt('qcow2.bitmap-entry', 'An entry of the bitmap directory is damaged');
  return {
    bitmap: {
      name: decodeName(directory.subarray(nameOffset, nameOffset + raw.name_size)),
      granularityBytes: powerOfTwo(raw.granularity_bits),
      flags: FLAG_NAMES.filter((_, bit) => testBit(raw.flags, bit)),
    },
    spanBytes,
  };
}
