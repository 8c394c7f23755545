/** The header of a QED image: parsed, checked, and handed on as what the rest needs to know. */
import {
  alignDown,
  clearBits,
  DiskError,
  hasAnyBit,
  isPowerOfTwo,
  readU32le,
} from '@diskfile/bytes';
import type { Limits } from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { FEATURE, QED_MAGIC, qedHeader } from './structs.ts';

export interface NamePlace {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What the header says; encoded again where it changes. */
export interface QedHeader {
  readonly clusterBytes: number;
  /** Of the L1 table and of each L2 table. */
  readonly tableClusters: number;
  readonly headerClusters: number;
  /** Bits of {@link FEATURE}. */
  readonly features: number;
  /** As they stand, the high half first; none are known. */
  readonly compatFeatures: readonly [high: number, low: number];
  readonly autoclearFeatures: readonly [high: number, low: number];
  readonly l1Offset: number;
  readonly sizeBytes: number;
  readonly backingName: NamePlace | undefined;
}

export const HEADER_BYTES = qedHeader.spanBytes;
export const MIN_CLUSTER_BYTES = 4096;
export const MAX_CLUSTER_BYTES = 64 * 1024 * 1024;
export const MAX_TABLE_CLUSTERS = 16;
/** QEMU's bound. */
export const MAX_BACKING_NAME_BYTES = 1023;
const SECTOR_BYTES = 512;
const ENTRY_BYTES = 8;
const KNOWN_FEATURES = FEATURE.backingFile + FEATURE.needCheck + FEATURE.backingFormatNoProbe;

export function isClusterSize(value: number): boolean {
  return isPowerOfTwo(value) && value >= MIN_CLUSTER_BYTES && value <= MAX_CLUSTER_BYTES;
}

export function isTableSize(value: number): boolean {
  return isPowerOfTwo(value) && value <= MAX_TABLE_CLUSTERS;
}

/** Bytes of one table. */
export function tableBytes({ clusterBytes, tableClusters }: TableGeometry): number {
  return clusterBytes * tableClusters;
}

export type TableGeometry = Pick<QedHeader, 'clusterBytes' | 'tableClusters'>;

/** The largest disk that the tables can map. */
export function maxDiskBytes(geometry: TableGeometry): number {
  const entries = tableBytes(geometry) / ENTRY_BYTES;
  return entries * entries * geometry.clusterBytes;
}

/**
 * @param head {@link HEADER_BYTES} from the start of the image
 * @throws DiskError `corrupt`, `unsupported` or `limit`
 */
export function parseHeader(head: Uint8Array, fileBytes: number, limits: Limits): QedHeader {
  if (readU32le(head, 0) !== QED_MAGIC) {
    throw corrupt('qed.magic', 'The file does not begin with the magic number of QED', 0);
  }
  const raw = qedHeader.decode(head);
  refuseUnknownFeatures(raw.features_low, raw.features_high);
  if (!isClusterSize(raw.cluster_size)) {
    throw badField('cluster_size', `Clusters of ${raw.cluster_size} bytes`);
  }
  if (!isTableSize(raw.table_size)) {
    throw badField('table_size', `Tables of ${raw.table_size} clusters`);
  }
  const header: QedHeader = {
    clusterBytes: raw.cluster_size,
    tableClusters: raw.table_size,
    headerClusters: raw.header_size,
    features: raw.features_low,
    compatFeatures: [raw.compat_features_high, raw.compat_features_low],
    autoclearFeatures: [raw.autoclear_features_high, raw.autoclear_features_low],
    l1Offset: raw.l1_table_offset,
    sizeBytes: raw.image_size,
    backingName: hasAnyBit(raw.features_low, FEATURE.backingFile)
      ? { offset: raw.backing_filename_offset, lengthBytes: raw.backing_filename_size }
      : undefined,
  };
  checkGeometry(header, fileBytes, limits);
  return header;
}

function refuseUnknownFeatures(low: number, high: number): void {
  const unknown = clearBits(low, KNOWN_FEATURES);
  if (unknown === 0 && high === 0) return;
  throw new DiskError(
    'unsupported',
    'qed.features',
    `The image uses the unknown features ${hex(high * 2 ** 32 + unknown)}`,
    { offset: qedHeader.offsetOf('features_low'), hint: 'Use the program that made it.' },
  );
}

function checkGeometry(header: QedHeader, fileBytes: number, limits: Limits): void {
  const { clusterBytes, headerClusters, l1Offset, sizeBytes, backingName } = header;
  if (sizeBytes % SECTOR_BYTES !== 0 || sizeBytes > maxDiskBytes(header)) {
    throw badField('image_size', `A disk of ${sizeBytes} bytes`);
  }
  const headerBytes = headerClusters * clusterBytes;
  if (headerClusters === 0) throw badField('header_size', 'A header of no clusters');
  // The tables are read page by page, but whoever has to know all of them reads that much.
  if (tableBytes(header) > limits.maxStructureBytes) {
    throw new DiskError('limit', 'qed.table-size', `Tables of ${tableBytes(header)} bytes`, {
      offset: qedHeader.offsetOf('table_size'),
      hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
    });
  }
  if (!isTablePlace(header, l1Offset, wholeClusters(fileBytes, header))) {
    throw badField('l1_table_offset', `The L1 table lies at ${hex(l1Offset)}, where none can be,`);
  }
  if (backingName === undefined) return;
  const { offset, lengthBytes } = backingName;
  const isWithin = offset + lengthBytes <= Math.min(headerBytes, fileBytes);
  if (isWithin && lengthBytes <= MAX_BACKING_NAME_BYTES) return;
  throw badField(
    'backing_filename_offset',
    `A backing file name of ${lengthBytes} bytes at ${hex(offset)}`,
  );
}

/** What of a file counts: clusters that are there to their end. */
export function wholeClusters(fileBytes: number, { clusterBytes }: TableGeometry): number {
  return alignDown(fileBytes, clusterBytes);
}

/** Whether a cluster can begin at `offset`, in a file whose clusters end at `end`. */
export function isClusterPlace(header: QedHeader, offset: number, end: number): boolean {
  const { clusterBytes, headerClusters } = header;
  return offset % clusterBytes === 0 && offset >= headerClusters * clusterBytes && offset < end;
}

/** Whether a table can begin there. */
export function isTablePlace(header: QedHeader, offset: number, end: number): boolean {
  return isClusterPlace(header, offset, end) && offset + tableBytes(header) <= end;
}

function badField(field: Parameters<typeof qedHeader.offsetOf>[0], what: string): DiskError {
  return corrupt(
    `qed.${field.replaceAll('_', '-')}`,
    `${what} is not possible`,
    qedHeader.offsetOf(field),
  );
}

export function encodeHeader(header: QedHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const { offset, lengthBytes } = header.backingName ?? { offset: 0, lengthBytes: 0 };
  qedHeader.encode(
    {
      magic: QED_MAGIC,
      cluster_size: header.clusterBytes,
      table_size: header.tableClusters,
      header_size: header.headerClusters,
      features_low: header.features,
      features_high: 0,
      compat_features_low: header.compatFeatures[1],
      compat_features_high: header.compatFeatures[0],
      autoclear_features_low: header.autoclearFeatures[1],
      autoclear_features_high: header.autoclearFeatures[0],
      l1_table_offset: header.l1Offset,
      image_size: header.sizeBytes,
      backing_filename_offset: offset,
      backing_filename_size: lengthBytes,
    },
    bytes,
  );
  return bytes;
}
