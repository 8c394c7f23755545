/** The header of qcow version 1, parsed and checked. */
import { DiskError, divideUp, joinU64, powerOfTwo, readU32be } from '@diskfile/bytes';
import type { Limits } from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { CRYPT_METHOD, QCOW_MAGIC, qcowHeader } from './structs.ts';

export interface QcowHeader {
  readonly clusterBits: number;
  readonly clusterBytes: number;
  readonly l2TableBytes: number;
  /** Virtual size, a whole number of sectors. */
  readonly sizeBytes: number;
  readonly encryption: 'aes' | undefined;
  /** A multiple of nothing in particular. */
  readonly l1TableOffset: number;
  readonly l1Entries: number;
  readonly backingName: NamePlace | undefined;
}

export interface NamePlace {
  readonly offset: number;
  readonly lengthBytes: number;
}

export const QCOW_HEADER_BYTES = qcowHeader.spanBytes;
const SECTOR_BYTES = 512;
/** QEMU's bound. */
export const MAX_BACKING_NAME_BYTES = 1023;

/** @throws DiskError `corrupt`, `unsupported` or `limit`. */
export function parseQcowHeader(head: Uint8Array, fileBytes: number, limits: Limits): QcowHeader {
  if (readU32be(head, 0) !== QCOW_MAGIC) throw notQcow();
  const raw = qcowHeader.decode(head);
  if (raw.version !== 1) {
    throw corrupt(
      'qcow.version',
      `The image has version ${raw.version}, not 1`,
      4,
      'State the right format, or let it be probed.',
    );
  }
  checkRange('cluster_bits', raw.cluster_bits, 9, 16);
  checkRange('l2_bits', raw.l2_bits, 6, 13);
  if (raw.size < 2) throw corrupt('qcow.size', 'The disk has no size', 24);
  if (raw.crypt_method > CRYPT_METHOD.aes) {
    throw new DiskError(
      'unsupported',
      'qcow.crypt-method',
      `The image is encrypted by the unknown method ${raw.crypt_method}`,
      { offset: 36, hint: 'Decrypt it with the program that wrote it.' },
    );
  }
  const clusterBytes = powerOfTwo(raw.cluster_bits);
  const l2Entries = powerOfTwo(raw.l2_bits);
  const l1Entries = divideUp(raw.size, l2Entries * clusterBytes);
  if (l1Entries * 8 > limits.maxStructureBytes) {
    throw new DiskError(
      'limit',
      'qcow.l1-table-too-large',
      `A disk of ${raw.size} bytes needs ${l1Entries} L1 entries`,
      { offset: 24, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
    );
  }
  return {
    clusterBits: raw.cluster_bits,
    clusterBytes,
    l2TableBytes: l2Entries * 8,
    sizeBytes: raw.size - (raw.size % SECTOR_BYTES),
    encryption: raw.crypt_method === CRYPT_METHOD.aes ? 'aes' : undefined,
    l1TableOffset: raw.l1_table_offset,
    l1Entries,
    backingName: parseBackingName(raw, fileBytes),
  };
}

function checkRange(
  field: 'cluster_bits' | 'l2_bits',
  value: number,
  lowest: number,
  highest: number,
): void {
  if (value >= lowest && value <= highest) return;
  throw corrupt(
    `qcow.${field.replace('_', '-')}`,
    `${field} is ${value}; ${lowest} to ${highest} are possible`,
    qcowHeader.offsetOf(field),
  );
}

function parseBackingName(
  raw: ReturnType<typeof qcowHeader.decode>,
  fileBytes: number,
): QcowHeader['backingName'] {
  const { backing_file_size: lengthBytes } = raw;
  if (lengthBytes === 0) return undefined;
  const { backing_file_offset_high: high, backing_file_offset_low: low } = raw;
  const offset = joinU64(high, low, 'backing_file_offset');
  if (offset === 0) return undefined;
  if (lengthBytes <= MAX_BACKING_NAME_BYTES && offset + lengthBytes <= fileBytes) {
    return { offset, lengthBytes };
  }
  throw corrupt(
    'qcow.backing-name',
    `The backing file name, ${lengthBytes} bytes at ${hex(offset)}, is not within the file`,
    8,
  );
}

function notQcow(): DiskError {
  return corrupt(
    'qcow.magic',
    'The file does not begin with the magic number of qcow version 1',
    0,
    'State the right format, or let it be probed.',
  );
}
