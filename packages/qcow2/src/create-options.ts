/** What an image is to be, from options under the names that qemu-img gives them with `-o`. */
import { alignUp, DiskError, isPowerOfTwo } from '@diskfile/bytes';
import type { CreateContext, Preallocation } from '@diskfile/core';
import { type CompressionType, MAX_BACKING_NAME_BYTES, MAX_L1_BYTES } from './header.ts';

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
  /** Name of the external data file, as it is stored. */
  readonly dataFileName: string | undefined;
  readonly dataFileRaw: boolean;
  readonly backing: CreateContext['backing'];
  readonly l1Entries: number;
}

type Options = CreateContext['options'];

const SECTOR_BYTES = 512;
const MIN_CLUSTER_BYTES = 512;
const MAX_CLUSTER_BYTES = 2 * 1024 * 1024;
const MIN_EXTENDED_CLUSTER_BYTES = 16 * 1024;

const VERSIONS: Readonly<Record<string, 2 | 3>> = { '0.10': 2, v2: 2, '1.1': 3, v3: 3 };
const KNOWN_OPTIONS = new Set([
  'compat',
  'cluster_size',
  'refcount_bits',
  'extended_l2',
  'lazy_refcounts',
  'compression_type',
  'preallocation',
  'data_file',
  'data_file_raw',
]);

/** @throws DiskError `invalid-argument` for options that contradict each other or make no image */
export function parseCreateOptions({ options, sizeBytes, backing }: CreateContext): ImageLayout {
  for (const name of Object.keys(options)) {
    if (!KNOWN_OPTIONS.has(name)) throw unknownOption(name);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid('size', `An image of ${sizeBytes} bytes is not possible`);
  }
  const layout = {
    version: VERSIONS[choice(options, 'compat', Object.keys(VERSIONS), '1.1')]!,
    sizeBytes: alignUp(sizeBytes, SECTOR_BYTES),
    clusterBytes: clusterSize(options),
    refcountBits: refcountBits(options),
    extendedL2: flag(options, 'extended_l2'),
    lazyRefcounts: flag(options, 'lazy_refcounts'),
    compressionType: choice(options, 'compression_type', ['zlib', 'zstd'], 'zlib'),
    preallocation: choice(options, 'preallocation', ['off', 'metadata', 'falloc', 'full'], 'off'),
    dataFileName: text(options, 'data_file'),
    dataFileRaw: flag(options, 'data_file_raw'),
    backing,
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

function checkBacking({ name, format }: NonNullable<CreateContext['backing']>): void {
  const nameBytes = new TextEncoder().encode(name).length;
  if (nameBytes === 0 || nameBytes > MAX_BACKING_NAME_BYTES) {
    throw invalid(
      'backing_file',
      `A backing file name has 1 to ${MAX_BACKING_NAME_BYTES} bytes; this one has ${nameBytes}`,
    );
  }
  if (format === undefined || format === '') {
    throw invalid(
      'backing_fmt',
      'The format of the backing file has to be stated',
      'Without it the file would be probed, and a raw disk can look like anything.',
    );
  }
}

function clusterSize(options: Options): number {
  const bytes = byteCount(options, 'cluster_size', 64 * 1024);
  const possible = bytes >= MIN_CLUSTER_BYTES && bytes <= MAX_CLUSTER_BYTES;
  if (possible && isPowerOfTwo(bytes)) return bytes;
  throw invalid('cluster_size', 'The cluster size is a power of two from 512 bytes to 2 MiB');
}

function refcountBits(options: Options): number {
  const bits = byteCount(options, 'refcount_bits', 16);
  if (bits <= 64 && isPowerOfTwo(bits)) return bits;
  throw invalid('refcount_bits', 'The width of a refcount is a power of two up to 64');
}

/** A number, or text as command lines have it: digits and perhaps `k` or `M`. */
function byteCount(options: Options, name: string, byDefault: number): number {
  const value = options[name] ?? byDefault;
  if (typeof value === 'number') return value;
  const match = /^(\d{1,12})([kKmM]?)$/.exec(String(value));
  if (match === null) throw invalid(name, `${name} is to be a number`);
  const unit = { '': 1, k: 1024, m: 1024 * 1024 }[match[2]!.toLowerCase() as '' | 'k' | 'm'];
  return Number(match[1]) * unit;
}

function flag(options: Options, name: string): boolean {
  const value = options[name] ?? false;
  if (typeof value === 'boolean') return value;
  if (value === 'on' || value === 'off') return value === 'on';
  throw invalid(name, `${name} is to be on or off`);
}

function text(options: Options, name: string): string | undefined {
  const value = options[name];
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw invalid(name, `${name} is to be a file name`);
}

function choice<T extends string>(
  options: Options,
  name: string,
  values: readonly T[],
  byDefault: T,
): T {
  const value = options[name] ?? byDefault;
  const found = values.find((known) => known === value);
  if (found !== undefined) return found;
  throw invalid(name, `${name} is one of ${values.join(', ')}`);
}

function unknownOption(name: string): DiskError {
  return invalid(
    name,
    `qcow2 images have no option ${JSON.stringify(name)}`,
    `Known options: ${[...KNOWN_OPTIONS].join(', ')}.`,
  );
}

function invalid(option: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', `qcow2.create.${option}`, message, {
    op: 'create',
    format: 'qcow2',
    ...(hint === undefined ? {} : { hint }),
  });
}
