/** Where the fields and tables of a qcow (version 1) image are. */
import { readU32be, writeU64be } from '@diskfile/bytes';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { createdImage } from './created-image.ts';
import { type NamedBytes, testImages } from './image-folder.ts';

const HEADER = [
  ['magic', 0, 4],
  ['version', 4, 4],
  ['backing_file_offset', 8, 8],
  ['backing_file_size', 16, 4],
  ['mtime', 20, 4],
  ['size', 24, 8],
  ['cluster_bits', 32, 1],
  ['l2_bits', 33, 1],
  ['crypt_method', 36, 4],
  ['l1_table_offset', 40, 8],
] as const;

const CLUSTER = 4096;
const L1 = 48;
/** Behind the L1 table comes an L2 table, then the clusters that it names. */
const L2 = CLUSTER;

export function qcowSeeds(): SeedImage[] {
  return [...testImages('.qcow', 256 * 1024), ...createdImages()].map(describeQcow);
}

function createdImages(): NamedBytes[] {
  const plain = image(false);
  return [
    { name: 'plain', bytes: plain },
    { name: 'over an image', bytes: image(true) },
    { name: 'tables in a circle', bytes: patched(plain, [L1 + 8, L2], [L2 + 8, L2]) },
    { name: 'into the header', bytes: patched(plain, [L1 + 8, 8], [L2 + 8, 512]) },
    { name: 'past the end', bytes: patched(plain, [L1 + 8, 2 ** 45], [L2 + 8, 2 ** 50]) },
    { name: 'one cluster twice', bytes: patched(plain, [L2 + 8, 2 * CLUSTER]) },
    { name: 'a bomb', bytes: patched(plain, [L2 + 8, 2 ** 53 - 512], [24, 2 ** 40]) },
  ];
}

function image(hasBacking: boolean): Uint8Array {
  const shape = { format: 'qcow', sizeBytes: 6 * 1024 * 1024 + 512, hasBacking };
  return createdImage(shape, (disk) => {
    disk.writeSync(new Uint8Array(3 * CLUSTER).fill(0x51), 0);
    disk.writeSync(new Uint8Array(100).fill(0x45), 5 * 1024 * 1024 + 77);
    disk.writeSync(new Uint8Array(CLUSTER).fill(0x44), 20 * CLUSTER);
  });
}

function patched(bytes: Uint8Array, ...entries: [at: number, value: number][]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of entries) writeU64be(copy, at, value);
  return copy;
}

function describeQcow({ name, bytes }: NamedBytes): SeedImage {
  const clusterBytes = 2 ** bytes[32]!;
  const l1Offset = readU32be(bytes, 44);
  const firstL2 = readU32be(bytes, l1Offset + 4);
  const table = { widthBytes: 8, bigEndian: true } as const;
  return {
    name,
    bytes,
    unitBytes: clusterBytes,
    fields: headerFields(0, true, HEADER),
    regions: [
      { ...table, name: 'L1', offset: l1Offset, lengthBytes: 64 },
      { ...table, name: 'L2', offset: firstL2, lengthBytes: 8 * 2 ** bytes[33]! },
    ],
  };
}
