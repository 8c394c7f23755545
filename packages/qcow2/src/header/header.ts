/** The header of qcow2: parsed, checked, and handed on as what the rest needs to know. */
import { DiskError, divideUp, powerOfTwo, readU32be, testBit } from '@diskfile/bytes';
import { corrupt } from '../errors.ts';
import { COMPATIBLE, type FeatureBits, featureBits, INCOMPATIBLE } from './features.ts';
import {
  checkL1Entries,
  checkTable,
  parseBackingName,
  parseRefcountTable,
  parseSnapshotTable,
  type TableReference,
} from './header-places.ts';
import { headerV2, headerV3, QCOW_MAGIC } from '../structs.ts';

export type CompressionType = 'zlib' | 'zstd';
export type EncryptionMethod = 'aes' | 'luks';

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly headerLengthBytes: number;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** Virtual size, a whole number of sectors. */
  readonly sizeBytes: number;
  readonly encryption: EncryptionMethod | undefined;
  readonly l1Table: TableReference;
  readonly snapshotTable: TableReference;
  readonly refcountBits: number;
  readonly refcountTable: { readonly offset: number; readonly clusters: number };
  readonly features: FeatureBits;
  readonly lazyRefcounts: boolean;
  readonly extendedL2: boolean;
  readonly compressionType: CompressionType;
  /** Where the backing file's name lies; undefined when there is none. */
  readonly backingName: { readonly offset: number; readonly lengthBytes: number } | undefined;
  /** Where header extensions end, at the latest. */
  readonly extensionsEnd: number;
}

type RawV3 = ReturnType<typeof headerV3.decode>;

const SECTOR_BYTES = 512;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
/** Bytes that the fixed fields of version 3 take together with those of version 2. */
const V3_HEADER_BYTES = headerV2.spanBytes + headerV3.spanBytes;
const SUBCLUSTERS = 32;

const MAX_I32 = 0x7fff_ffff;

/** Bytes from the start of the file that {@link parseHeader} looks at. */
export const HEADER_FIELDS_BYTES = V3_HEADER_BYTES + 8;

/**
 * @param head at least {@link HEADER_FIELDS_BYTES} from the start of the image; zeros where the
 *   file is shorter.
 * @param isWritten whether a mark of corruption is a refusal
 * @throws DiskError `corrupt` or `unsupported`.
 */
export function parseHeader(head: Uint8Array, isWritten = false): Qcow2Header {
  // Before anything else is looked at: in another file, other fields would be found wrong first.
  if (head.length < 4 || readU32be(head, 0) !== QCOW_MAGIC) {
    throw corrupt('qcow2.magic', 'The file does not begin with the magic number of qcow2', {
      offset: 0,
      hint: 'State the right format, or let it be probed.',
    });
  }
  if (isWritten && isMarkedCorrupt(head)) throw markedCorrupt();
  checkSize(head);
  const raw = headerV2.decode(head);
  if (raw.version !== 2 && raw.version !== 3) {
    throw new DiskError(
      'unsupported',
      'qcow2.version',
      `The image has version ${raw.version} of qcow2`,
      { offset: 4, hint: 'Versions 2 and 3 can be read; version 1 as format "qcow".' },
    );
  }
  const clusterBits = parseClusterBits(raw.cluster_bits);
  const clusterBytes = powerOfTwo(clusterBits);
  const extra = raw.version === 2 ? version2() : parseVersion3(head, clusterBytes);
  const { incompatible, compatible } = extra.features;
  const header: Qcow2Header = {
    version: raw.version,
    clusterBits,
    clusterBytes,
    // QEMU counts whole sectors and leaves out what is over.
    sizeBytes: raw.size - (raw.size % SECTOR_BYTES),
    encryption: parseEncryption(raw.crypt_method),
    // In the order in which QEMU looks at them.
    refcountTable: parseRefcountTable(raw, clusterBytes),
    snapshotTable: parseSnapshotTable(raw, clusterBytes),
    l1Table: checkTable('L1 table', raw.l1_table_offset, raw.l1_size, clusterBytes, 40),
    lazyRefcounts: compatible.has(COMPATIBLE.lazyRefcounts),
    extendedL2: incompatible.has(INCOMPATIBLE.extendedL2),
    backingName: parseBackingName(raw, clusterBytes),
    extensionsEnd: raw.backing_file_offset === 0 ? clusterBytes : raw.backing_file_offset,
    ...extra,
  };
  checkL1Entries(header.l1Table.entries, neededL1Entries(header, raw.size));
  return header;
}

/** Whether nothing else about the features is to be refused: other fields may hold anything then. */
function isMarkedCorrupt(head: Uint8Array): boolean {
  if (readU32be(head, headerV2.offsetOf('version')) !== 3) return false;
  const bits = readU32be(head, headerV2.spanBytes + headerV3.offsetOf('incompatible_features_low'));
  const isKnown = bits < powerOfTwo(INCOMPATIBLE.extendedL2 + 1);
  return (
    isKnown && testBit(bits, INCOMPATIBLE.corrupt) && !testBit(bits, INCOMPATIBLE.compressionType)
  );
}

/** The refusal to write an image that was marked. */
export function markedCorrupt(): DiskError {
  return corrupt(
    'qcow2.marked-corrupt',
    'The image is marked as corrupt, and writing to it could destroy more of it',
    {
      offset: 72,
      hint: 'Open it read-only, or repair it with checkDiskFile(…, { repair: "all" }).',
    },
  );
}

/** A size above 2^53, which can be no number here, mostly is damage that has a name. */
function checkSize(head: Uint8Array): void {
  const high = readU32be(head, headerV2.offsetOf('size'));
  const clusterBits = readU32be(head, headerV2.offsetOf('cluster_bits'));
  if (high <= 0x1f_ffff || clusterBits > MAX_CLUSTER_BITS) return;
  const l1Entries = readU32be(head, headerV2.offsetOf('l1_size'));
  const coverage = 2 ** (2 * clusterBits - 3);
  const needed = (high * 2 ** 32) / coverage;
  const leftBytes = 2 ** 64 - high * 2 ** 32 - readU32be(head, headerV2.offsetOf('size') + 4);
  // QEMU counts the entries in 64 bits, rounded up: none for the largest sizes.
  if (leftBytes < coverage) throw largerThanFiles();
  if (needed > MAX_I32) {
    throw corrupt('qcow2.image-too-big', 'The disk is larger than an L1 table could ever say', {
      offset: 24,
    });
  }
  checkL1Entries(l1Entries, needed);
}

function largerThanFiles(): DiskError {
  return corrupt('qcow2.larger-than-files', 'The disk is larger than any file could be', {
    offset: 24,
  });
}

type VersionedPart = Pick<
  Qcow2Header,
  'headerLengthBytes' | 'refcountBits' | 'features' | 'compressionType'
>;

function version2(): VersionedPart {
  const none = new Set<number>();
  return {
    headerLengthBytes: headerV2.spanBytes,
    refcountBits: 16,
    features: { incompatible: none, compatible: none, autoclear: none },
    compressionType: 'zlib',
  };
}

function parseVersion3(head: Uint8Array, clusterBytes: number): VersionedPart {
  const raw = headerV3.decode(head, headerV2.spanBytes);
  const { header_length: headerLengthBytes, refcount_order: refcountOrder } = raw;
  if (headerLengthBytes < V3_HEADER_BYTES || headerLengthBytes > clusterBytes) {
    throw corrupt(
      headerLengthBytes < V3_HEADER_BYTES ? 'qcow2.header-length' : 'qcow2.header-beyond-cluster',
      `The header claims ${headerLengthBytes} bytes; ${V3_HEADER_BYTES} to one cluster are possible`,
      { offset: 100 },
    );
  }
  if (refcountOrder > 6) {
    throw corrupt('qcow2.refcount-order', `Refcounts of 2^${refcountOrder} bits do not exist`, {
      offset: 96,
    });
  }
  const features = parseFeatures(raw);
  if (features.incompatible.has(INCOMPATIBLE.extendedL2)) checkSubclusterSize(clusterBytes);
  const compressionByte = headerLengthBytes > V3_HEADER_BYTES ? head[V3_HEADER_BYTES]! : 0;
  return {
    headerLengthBytes,
    refcountBits: powerOfTwo(refcountOrder),
    features,
    compressionType: parseCompressionType(compressionByte, features),
  };
}

function parseFeatures(raw: RawV3): FeatureBits {
  return {
    incompatible: featureBits(raw.incompatible_features_high, raw.incompatible_features_low),
    compatible: featureBits(raw.compatible_features_high, raw.compatible_features_low),
    autoclear: featureBits(raw.autoclear_features_high, raw.autoclear_features_low),
  };
}

function checkSubclusterSize(clusterBytes: number): void {
  if (clusterBytes / SUBCLUSTERS >= SECTOR_BYTES) return;
  throw corrupt(
    'qcow2.subcluster-size',
    `Clusters of ${clusterBytes} bytes are too small for extended L2 entries`,
    { offset: 20 },
  );
}

function parseClusterBits(clusterBits: number): number {
  if (clusterBits >= MIN_CLUSTER_BITS && clusterBits <= MAX_CLUSTER_BITS) return clusterBits;
  throw new DiskError(
    clusterBits > MAX_CLUSTER_BITS ? 'unsupported' : 'corrupt',
    'qcow2.cluster-bits',
    `Clusters of 2^${clusterBits} bytes; 2^${MIN_CLUSTER_BITS} to 2^${MAX_CLUSTER_BITS} can be read`,
    { offset: 20, hint: 'Convert the image with the program that wrote it.' },
  );
}

function parseEncryption(cryptMethod: number): EncryptionMethod | undefined {
  if (cryptMethod === 0) return undefined;
  if (cryptMethod === 1) return 'aes';
  if (cryptMethod === 2) return 'luks';
  throw new DiskError(
    'unsupported',
    'qcow2.crypt-method',
    `The image is encrypted by the unknown method ${cryptMethod}`,
    { offset: 32, hint: 'Decrypt it with the program that wrote it.' },
  );
}

/** The type must be zlib exactly when the feature bit is clear (specification, "Header"). */
function parseCompressionType(type: number, { incompatible }: FeatureBits): CompressionType {
  if (type > 1) {
    throw new DiskError(
      'unsupported',
      'qcow2.compression-type',
      `The image has the unknown compression type ${type}`,
      { offset: V3_HEADER_BYTES, hint: 'Convert it with the program that wrote it.' },
    );
  }
  if ((type === 0) === incompatible.has(INCOMPATIBLE.compressionType)) {
    throw corrupt(
      'qcow2.compression-bit',
      `Compression type ${type} and the feature bit for it contradict each other`,
      { offset: V3_HEADER_BYTES },
    );
  }
  return type === 0 ? 'zlib' : 'zstd';
}

/** L1 entries that a disk of `sizeBytes` needs. */
export function neededL1Entries(header: Qcow2Header, sizeBytes: number): number {
  return divideUp(sizeBytes, l2CoverageBytes(header));
}

/** Guest bytes that one L2 table maps. */
export function l2CoverageBytes({ clusterBytes, extendedL2 }: Qcow2Header): number {
  return (clusterBytes / (extendedL2 ? 16 : 8)) * clusterBytes;
}
