/** The header of a growing image, parsed and judged. */
import { decodeFixedText, DiskError, divideUp, isPowerOfTwo } from '@diskfile/bytes';
import { quote } from '@diskfile/core';
import { corrupt } from './refusals.ts';
import {
  MAGIC,
  SECTOR_BYTES,
  SPECIFIC_V1,
  SPECIFIC_V2,
  STANDARD_HEADER,
  VERSION_1,
  VERSION_2,
} from './structs.ts';

/** What QEMU takes as well; Bochs itself makes extents of no more than this. */
const MAX_EXTENT_BYTES = 8 * 1024 * 1024;
const MAX_CATALOG_ENTRIES = 1024 * 1024;
const BITS_PER_BYTE = 8;

/** Bytes of the file that {@link parseHeader} wants. */
export const HEADER_BYTES = STANDARD_HEADER.spanBytes + SPECIFIC_V2.spanBytes;

export interface BochsHeader {
  readonly version: 1 | 2;
  readonly sizeBytes: number;
  readonly extentBytes: number;
  readonly catalogOffset: number;
  readonly catalogEntries: number;
  /** Where the first extent begins, with its bitmap. */
  readonly dataOffset: number;
  /** What the bitmap before each extent takes. */
  readonly bitmapSpaceBytes: number;
}

/** @throws DiskError `corrupt`, or `unsupported` for redologs that are no disks by themselves */
export function parseHeader(bytes: Uint8Array): BochsHeader {
  const { magic, type, subtype, version, header, catalog, bitmap, extent } =
    STANDARD_HEADER.decode(bytes);
  if (decodeFixedText(magic) !== MAGIC) {
    throw corrupt('bochs.magic', 'The file does not begin as an image of Bochs does', 0);
  }
  checkKind(decodeFixedText(type), decodeFixedText(subtype));
  const sizeBytes = Math.floor(diskBytes(bytes, version) / SECTOR_BYTES) * SECTOR_BYTES;
  if (extent < SECTOR_BYTES || extent > MAX_EXTENT_BYTES || !isPowerOfTwo(extent)) {
    const message = `Extents of ${extent} bytes`;
    throw corrupt('bochs.extent-size', message, STANDARD_HEADER.offsetOf('extent'));
  }
  if (bitmap * BITS_PER_BYTE < extent / SECTOR_BYTES || bitmap > MAX_EXTENT_BYTES) {
    const message = `A bitmap of ${bitmap} bytes for ${extent / SECTOR_BYTES} sectors`;
    throw corrupt('bochs.bitmap-size', message, STANDARD_HEADER.offsetOf('bitmap'));
  }
  if (catalog > MAX_CATALOG_ENTRIES || catalog < divideUp(sizeBytes, extent)) {
    const message = `${catalog} extents of ${extent} bytes for a disk of ${sizeBytes} bytes`;
    throw corrupt('bochs.catalog-size', message, STANDARD_HEADER.offsetOf('catalog'));
  }
  if (header < HEADER_BYTES) {
    const message = `A header of ${header} bytes`;
    throw corrupt('bochs.header-size', message, STANDARD_HEADER.offsetOf('header'));
  }
  return {
    version: version === VERSION_1 ? 1 : 2,
    sizeBytes,
    extentBytes: extent,
    catalogOffset: header,
    catalogEntries: catalog,
    dataOffset: header + catalog * 4,
    bitmapSpaceBytes: divideUp(bitmap, SECTOR_BYTES) * SECTOR_BYTES,
  };
}

function checkKind(type: string, subtype: string): void {
  if (type === 'Redolog' && subtype === 'Growing') return;
  throw new DiskError(
    'unsupported',
    'bochs.kind',
    `The file is a ${quote(`${type} ${subtype}`)}: it holds what was written over another disk, whose name only Bochs knows`,
    { offset: 0, hint: 'Merge it into that disk with `bximage -func=commit`, and open the disk.' },
  );
}

function diskBytes(bytes: Uint8Array, version: number): number {
  const at = STANDARD_HEADER.spanBytes;
  if (version === VERSION_1) return SPECIFIC_V1.decode(bytes, at).disk;
  if (version === VERSION_2) return SPECIFIC_V2.decode(bytes, at).disk;
  throw new DiskError(
    'unsupported',
    'bochs.version',
    `The image is of version 0x${version.toString(16)}`,
    {
      offset: STANDARD_HEADER.offsetOf('version'),
      hint: 'Versions 1 and 2 can be read. Convert it with the bximage of Bochs.',
    },
  );
}
