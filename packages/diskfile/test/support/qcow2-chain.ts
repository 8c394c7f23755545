/** Chains of qcow2 images for interop tests, made with QEMU's tools. */
import { writeFileSync } from 'node:fs';
import { type QemuDirectory, SeededRandom, writeMixedPayload } from '@diskfile/testkit';

export interface Qcow2Options {
  readonly clusterBits: number;
  readonly version: 2 | 3;
  readonly data: 'plain' | 'zlib' | 'zstd';
  readonly refcountBits: number;
  readonly extendedL2: boolean;
  readonly dataFile: 'none' | 'external' | 'raw';
}

/** What lies below the image: how many layers, and how long they are against the top. */
export type ChainKind =
  | 'none'
  | '1 raw, short'
  | '1 qcow2, long'
  | '3, short'
  | '3, long'
  | '10, mixed';

const MIDDLE: readonly Qcow2Options[] = [
  option(16, 3, 'plain', false),
  option(12, 2, 'zlib', false),
  option(14, 3, 'zstd', true),
  option(9, 3, 'plain', false),
  option(17, 3, 'zlib', true),
];
const SOURCE = 'source.raw';
const SOURCE_BYTES = 256 * 1024;

function option(
  clusterBits: number,
  version: 2 | 3,
  data: Qcow2Options['data'],
  extendedL2: boolean,
): Qcow2Options {
  return { clusterBits, version, data, extendedL2, refcountBits: 16, dataFile: 'none' };
}

/** Makes `top.qcow2` and all below it; returns the names from the top down. */
export function makeChain(
  directory: QemuDirectory,
  options: Qcow2Options,
  kind: ChainKind,
  seed: number,
): string {
  const random = new SeededRandom(seed);
  writeFileSync(directory.file(SOURCE), random.bytes(SOURCE_BYTES));
  const clusters = 1 + random.below(2);
  const topBytes = 2 ** 21 + clusters * 2 ** options.clusterBits + 512 * random.below(600);
  const sizes = lowerSizes(kind, topBytes, random);
  let below: string | undefined;
  let belowFormat = 'raw';
  for (const [index, sizeBytes] of sizes.entries()) {
    const name = `layer${index}`;
    if (below === undefined && kind !== '1 qcow2, long') {
      writeMixedPayload(directory.file(name), sizeBytes, seed + index);
    } else {
      makeImage(directory, name, MIDDLE[(seed + index) % MIDDLE.length]!, sizeBytes, random, {
        below,
        belowFormat,
      });
      belowFormat = 'qcow2';
    }
    below = name;
  }
  makeImage(directory, 'top.qcow2', options, topBytes, random, { below, belowFormat });
  return 'top.qcow2';
}

/** Sizes of the layers below, the lowest first. */
function lowerSizes(kind: ChainKind, topBytes: number, random: SeededRandom): number[] {
  const short = () => 512 * Math.floor((topBytes * (0.3 + random.below(60) / 100)) / 512);
  const long = () => topBytes + 512 * (1 + random.below(3000));
  switch (kind) {
    case 'none':
      return [];
    case '1 raw, short':
      return [short()];
    case '1 qcow2, long':
      return [long()];
    case '3, short':
      return [short(), short(), short()];
    case '3, long':
      return [long(), long(), long()];
    case '10, mixed':
      return Array.from({ length: 10 }, () => (random.below(2) === 0 ? short() : long()));
  }
}

export interface Below {
  readonly below: string | undefined;
  readonly belowFormat: string;
}

/** Makes one image over `below`, with data, zeros and discards here and there. */
export function makeImage(
  directory: QemuDirectory,
  name: string,
  options: Qcow2Options,
  sizeBytes: number,
  random: SeededRandom,
  { below, belowFormat }: Below,
): void {
  const list = optionList(name, options, random);
  if (below === undefined) {
    writeMixedPayload(directory.file('payload.raw'), sizeBytes, random.below(2 ** 30));
    const compress = options.data === 'plain' ? [] : ['-c'];
    directory.img('convert', ...compress, '-O', 'qcow2', '-o', list, 'payload.raw', name);
  } else {
    const backing = ['-b', below, '-F', belowFormat];
    directory.img('create', '-q', '-f', 'qcow2', '-o', list, ...backing, name, `${sizeBytes}`);
  }
  // QEMU compresses into clusters that hold nothing yet only: in an overlay, before all else.
  const compressed = below === undefined ? [] : compressedWrites(options, sizeBytes, random);
  directory.io(name, [...compressed, ...scribbles(options, sizeBytes, random)]);
}

function optionList(name: string, options: Qcow2Options, random: SeededRandom): string {
  const list = [
    `cluster_size=${2 ** options.clusterBits}`,
    `compat=${options.version === 2 ? '0.10' : '1.1'}`,
    `refcount_bits=${options.refcountBits}`,
  ];
  if (options.version === 3) {
    list.push(`compression_type=${options.data === 'zstd' ? 'zstd' : 'zlib'}`);
    list.push(`extended_l2=${options.extendedL2 ? 'on' : 'off'}`);
    list.push(`lazy_refcounts=${random.below(2) === 0 ? 'on' : 'off'}`);
  }
  if (options.dataFile !== 'none') {
    list.push(
      `data_file=${name}.data`,
      `data_file_raw=${options.dataFile === 'raw' ? 'on' : 'off'}`,
    );
  }
  return list.join(',');
}

/** Writes of whole clusters, each to another one; plain images get them uncompressed. */
function compressedWrites(
  { clusterBits, data }: Qcow2Options,
  sizeBytes: number,
  random: SeededRandom,
): string[] {
  const clusterBytes = 2 ** clusterBits;
  const chosen = Array.from({ length: 6 }, () => random.below(Math.ceil(sizeBytes / clusterBytes)));
  return [...new Set(chosen)].map((cluster) => {
    const offset = cluster * clusterBytes;
    const length = Math.min(clusterBytes, sizeBytes - offset);
    const flag = data === 'plain' ? '' : '-c ';
    const content =
      length <= SOURCE_BYTES && random.below(2) === 0 ? `-s ${SOURCE}` : `-P ${random.below(256)}`;
    return `write ${flag}${content} ${offset} ${length}`;
  });
}

/** Writes, zeroes and discards here and there, as a guest would. */
function scribbles(
  { clusterBits }: Qcow2Options,
  sizeBytes: number,
  random: SeededRandom,
): string[] {
  return Array.from({ length: 8 }, () => {
    const offset = 512 * random.below(sizeBytes / 512);
    const longest = Math.min(sizeBytes - offset, random.pick([2048, 2 ** clusterBits, 300_000]));
    const length = 512 * (1 + random.below(longest / 512));
    const range = `${offset} ${length}`;
    switch (random.below(5)) {
      case 0:
        return `write -P ${1 + random.below(255)} ${range}`;
      case 1:
        return `write -s ${SOURCE} ${offset} ${Math.min(length, SOURCE_BYTES)}`;
      case 2:
        return `write -z ${range}`;
      case 3:
        return `write -z -u ${range}`;
      default:
        return `discard ${range}`;
    }
  });
}
