/** What an image is to be, from options under the names that qemu-img gives them with `-o`. */
import { alignUp, type DiskError, encodeName, isPowerOfTwo } from '@diskfile/bytes';
import type { CreateContext, Preallocation } from '@diskfile/core';
import { ENCRYPTION_OPTIONS, type NewEncryption, parseEncryption } from './new-encryption.ts';
import { MAX_FORMAT_NAME_BYTES } from '../header/header-extensions.ts';
import type { CompressionType } from '../header/header.ts';
import { MAX_BACKING_NAME_BYTES, MAX_L1_BYTES } from '../header/header-places.ts';
import { invalidOption, OptionValues } from './option-values.ts';

export interface ImageLayout {
  readonly version: 2 | 3;
  /** A whole number of sectors. */
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly refcountBits: number;
  readonly extendedL2: boolean;
  readonly lazyRefcounts: boolean;
  readonly compressionType: CompressionType;
  readonly preallocation: Preallocation;
  readonly encryption: NewEncryption | undefined;
  /** Name of the external data file, as it is stored. */
  readonly dataFileName: string | undefined;
  readonly dataFileRaw: boolean;
  readonly backing: CreateContext['backing'];
  readonly l1Entries: number;
}

const SECTOR_BYTES = 512;
const MIN_CLUSTER_BYTES = 512;
const MAX_CLUSTER_BYTES = 2 * 1024 * 1024;
const MIN_EXTENDED_CLUSTER_BYTES = 16 * 1024;

/** What can be chosen when an image is made, besides its size and backing file. */
export const CREATE_OPTIONS = new Set([
  'compat',
  'cluster_size',
  'refcount_bits',
  'extended_l2',
  'lazy_refcounts',
  'compression_type',
  'preallocation',
  'data_file',
  'data_file_raw',
  ...ENCRYPTION_OPTIONS,
]);

/** What the options of a new image depend on. */
export type OptionContext = Pick<CreateContext, 'options' | 'sizeBytes' | 'backing' | 'passphrase'>;

/** @throws DiskError `invalid-argument` for options that contradict each other or make no image */
export function parseCreateOptions(context: OptionContext): ImageLayout {
  const { options, sizeBytes, backing } = context;
  const values = new OptionValues(options, 'create');
  for (const name of Object.keys(options)) {
    if (!CREATE_OPTIONS.has(name)) throw unknownOption(name);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid('size', `An image of ${sizeBytes} bytes is not possible`);
  }
  const layout = {
    version: values.version(3),
    sizeBytes: alignUp(sizeBytes, SECTOR_BYTES),
    clusterBytes: clusterSize(values),
    refcountBits: values.refcountBits(16),
    extendedL2: values.flag('extended_l2'),
    lazyRefcounts: values.flag('lazy_refcounts'),
    compressionType: values.choice('compression_type', ['zlib', 'zstd'], 'zlib'),
    preallocation: values.choice('preallocation', ['off', 'metadata', 'falloc', 'full'], 'off'),
    dataFileName: values.text('data_file'),
    dataFileRaw: values.flag('data_file_raw'),
    backing,
    encryption: parseEncryption(context),
  };
  const l1Entries = l1EntriesOf(layout);
  checkVersion(layout);
  checkCombination(layout);
  // Without the image, a raw data file has to read the same: every cluster is in use there.
  const prepared = layout.dataFileRaw && layout.preallocation === 'off';
  return { ...layout, ...(prepared ? { preallocation: 'metadata' } : {}), l1Entries };
}

type Unsized = Omit<ImageLayout, 'l1Entries'>;

function l1EntriesOf({ sizeBytes, clusterBytes, extendedL2 }: Unsized): number {
  const coverageBytes = (clusterBytes / (extendedL2 ? 16 : 8)) * clusterBytes;
  const entries = Math.ceil(sizeBytes / coverageBytes);
  if (entries * 8 <= MAX_L1_BYTES) return entries;
  throw invalid(
    'size',
    `A disk of ${sizeBytes} bytes is too large for clusters of ${clusterBytes} bytes`,
    'Choose a larger cluster_size.',
  );
}

/** Version 2 (`compat=0.10`) knows none of what came later. */
function checkVersion(layout: Unsized): void {
  if (layout.version === 3) return;
  const later: [string, boolean][] = [
    ['refcount_bits', layout.refcountBits !== 16],
    ['lazy_refcounts', layout.lazyRefcounts],
    ['compression_type', layout.compressionType !== 'zlib'],
    ['extended_l2', layout.extendedL2],
    ['data_file', layout.dataFileName !== undefined],
  ];
  const option = later.find(([, used]) => used)?.[0];
  if (option === undefined) return;
  throw invalid(option, `${option} as given needs version 3 of the format`, 'Use compat=1.1.');
}

function checkCombination(layout: Unsized): void {
  const { extendedL2, clusterBytes, dataFileName, dataFileRaw, backing, preallocation } = layout;
  if (extendedL2 && clusterBytes < MIN_EXTENDED_CLUSTER_BYTES) {
    throw invalid(
      'extended_l2',
      `Extended L2 entries need clusters of at least ${MIN_EXTENDED_CLUSTER_BYTES} bytes`,
    );
  }
  if (dataFileRaw && dataFileName === undefined) {
    throw invalid('data_file_raw', 'data_file_raw needs a data_file');
  }
  if (layout.encryption !== undefined) checkEncryption(layout);
  if (backing === undefined) return;
  if (dataFileRaw) {
    throw invalid('data_file_raw', 'A raw data file and a backing file exclude each other');
  }
  if (preallocation !== 'off' && !extendedL2) {
    throw invalid(
      'preallocation',
      'With a backing file, preallocation hides what lies below, unless extended_l2 is on',
    );
  }
  checkBacking(backing);
}

/** What is prepared is called zeros, and zeros without data are what version 2 does not know. */
function checkEncryption({ version, preallocation, dataFileRaw }: Unsized): void {
  if (version === 2 && preallocation !== 'off') {
    throw invalid('preallocation', 'Encrypted images of version 2 are not preallocated');
  }
  if (dataFileRaw) throw invalid('data_file_raw', 'What is encrypted is no raw disk');
}

function checkBacking({ name, format }: NonNullable<CreateContext['backing']>): void {
  const nameBytes = new TextEncoder().encode(name).length;
  if (nameBytes === 0 || nameBytes > MAX_BACKING_NAME_BYTES) {
    throw invalid(
      'backing_file',
      `A backing file name has 1 to ${MAX_BACKING_NAME_BYTES} bytes; this one has ${nameBytes}`,
    );
  }
  const formatBytes = format === undefined ? 0 : encodeName(format).length;
  if (formatBytes === 0 || formatBytes > MAX_FORMAT_NAME_BYTES) {
    throw invalid(
      'backing_fmt',
      `The format of the backing file has to be stated, in 1 to ${MAX_FORMAT_NAME_BYTES} bytes`,
      'Without it the file would be probed, and a raw disk can look like anything.',
    );
  }
}

function clusterSize(values: OptionValues): number {
  const bytes = values.byteCount('cluster_size', 64 * 1024);
  const possible = bytes >= MIN_CLUSTER_BYTES && bytes <= MAX_CLUSTER_BYTES;
  if (possible && isPowerOfTwo(bytes)) return bytes;
  throw invalid('cluster_size', 'The cluster size is a power of two from 512 bytes to 2 MiB');
}

function unknownOption(name: string): DiskError {
  return invalid(
    name,
    `qcow2 images have no option ${JSON.stringify(name)}`,
    `Known options: ${[...CREATE_OPTIONS].join(', ')}.`,
  );
}

function invalid(option: string, message: string, hint?: string): DiskError {
  return invalidOption('create', option, message, hint);
}
