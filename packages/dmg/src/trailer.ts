/** The trailer of an image: found, checked, and handed on as what the rest needs to know. */
import { DiskError, readU32be, toHex } from '@diskfile/bytes';
import type { ProbeInput } from '@diskfile/core';
import { corrupt } from './refusals.ts';
import {
  CHECKSUM_CRC32,
  CHECKSUM_NONE,
  resourceFile,
  SECTOR_BYTES,
  TRAILER_SIGNATURE,
  TRAILER_VERSION,
} from './structs.ts';

export const TRAILER_BYTES = resourceFile.spanBytes;
/** An image on a device, or sent in blocks, is followed by up to a sector less one of anything. */
const MAX_PADDING_BYTES = SECTOR_BYTES - 1;
/** The last bytes of a file among which the trailer is looked for. */
export const TRAILER_SEARCH_BYTES = TRAILER_BYTES + MAX_PADDING_BYTES;

/** "encrcdsa" at the start of an encrypted image, "cdsaencr" at the end of one of the first kind. */
const ENCRYPTED_HEAD = [0x656e_6372, 0x6364_7361] as const;
const ENCRYPTED_TAIL = [0x6364_7361, 0x656e_6372] as const;

export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface Checksum {
  /** `crc32`, or the number of a type without a name here. */
  readonly type: string;
  /** Hexadecimal. */
  readonly value: string;
}

export interface Trailer {
  /** Which of several files it is the trailer of; the count is 0 or 1 for one alone. */
  readonly segment: {
    readonly number: number;
    readonly count: number;
    /** Equal in all of them. */
    readonly id: string;
    /** Where its data fork begins within that of the whole. */
    readonly startBytes: number;
  };
  readonly dataFork: ByteRange;
  /** The property list; of length 0 in images that keep their tables in a resource fork. */
  readonly propertyList: ByteRange;
  readonly resourceFork: ByteRange;
  readonly sectorCount: number;
  readonly imageVariant: number;
  readonly dataChecksum: Checksum | undefined;
  readonly masterChecksum: Checksum | undefined;
}

/** Where in `tail`, the end of a file, the trailer is; undefined when it is not there. */
export function findTrailer(tail: Uint8Array): number | undefined {
  const last = tail.length - TRAILER_BYTES;
  if (last >= 0 && readU32be(tail, last) === TRAILER_SIGNATURE) return last;
  // Anywhere else four bytes are too few to tell.
  for (let at = last - 1; at >= Math.max(0, last - MAX_PADDING_BYTES); at--) {
    if (isTrailer(tail, at)) return at;
  }
  return undefined;
}

/** Whether `bytes` have a trailer at `at`, by its first three fields. */
export function isTrailer(bytes: Uint8Array, at: number): boolean {
  return (
    at + TRAILER_BYTES <= bytes.length &&
    readU32be(bytes, at) === TRAILER_SIGNATURE &&
    readU32be(bytes, at + 4) === TRAILER_VERSION &&
    readU32be(bytes, at + 8) === TRAILER_BYTES
  );
}

export function isEncrypted({ head, tail }: Pick<ProbeInput, 'head' | 'tail'>): boolean {
  const isAt = (bytes: Uint8Array, at: number, magic: readonly [number, number]) =>
    at >= 0 &&
    at + 8 <= bytes.length &&
    readU32be(bytes, at) === magic[0] &&
    readU32be(bytes, at + 4) === magic[1];
  return isAt(head, 0, ENCRYPTED_HEAD) || isAt(tail, tail.length - 8, ENCRYPTED_TAIL);
}

/** @param fileBytes how long the image is, which bounds what the trailer names */
export function parseTrailer(bytes: Uint8Array, at: number, fileBytes: number): Trailer {
  const raw = resourceFile.decode(bytes, at);
  if (raw.version !== TRAILER_VERSION || raw.headerSize !== TRAILER_BYTES) {
    throw new DiskError(
      'unsupported',
      'dmg.version',
      `The image has version ${raw.version} of UDIF, with a trailer of ${raw.headerSize} bytes`,
      { hint: `Version ${TRAILER_VERSION} with ${TRAILER_BYTES} bytes can be read.` },
    );
  }
  if (raw.sectorCount > Number.MAX_SAFE_INTEGER / SECTOR_BYTES) {
    throw corrupt('dmg.sector-count', `A disk of ${raw.sectorCount} sectors is too large`);
  }
  return {
    segment: {
      number: raw.segmentNumber,
      count: raw.segmentCount,
      id: toHex(raw.segmentID),
      startBytes: raw.runningDataForkOffset,
    },
    dataFork: { offset: raw.dataForkOffset, lengthBytes: raw.dataForkLength },
    propertyList: rangeWithin('property list', raw.xmlOffset, raw.xmlLength, fileBytes),
    resourceFork: rangeWithin('resource fork', raw.rsrcForkOffset, raw.rsrcForkLength, fileBytes),
    sectorCount: raw.sectorCount,
    imageVariant: raw.imageVariant,
    dataChecksum: parseChecksum(raw.dataChecksumType, raw.dataChecksumSize, raw.dataChecksum),
    masterChecksum: parseChecksum(
      raw.masterChecksumType,
      raw.masterChecksumSize,
      raw.masterChecksum,
    ),
  };
}

function rangeWithin(what: string, offset: number, lengthBytes: number, fileBytes: number) {
  if (offset + lengthBytes > fileBytes) {
    throw corrupt('dmg.truncated', `The ${what} lies past the end of the file`, offset);
  }
  return { offset, lengthBytes };
}

/** Checksums are up to 1024 bits long. */
export function parseChecksum(type: number, bits: number, data: Uint8Array): Checksum | undefined {
  if (type === CHECKSUM_NONE || bits === 0) return undefined;
  const lengthBytes = Math.min(Math.ceil(bits / 8), data.length);
  const name = type === CHECKSUM_CRC32 ? 'crc32' : String(type);
  return { type: name, value: toHex(data.subarray(0, lengthBytes)) };
}
