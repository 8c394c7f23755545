/** Where the fields and tables of a QED image are, and images whose tables lead astray. */
import { writeU64le } from '@diskfile/bytes';
import { headerFields, type Region, type SeedImage } from '../seed-image.ts';
import { createdImage } from './created-image.ts';

const CLUSTER = 4096;
/** One L2 table, of one cluster, maps so many clusters. */
const PER_TABLE = CLUSTER / 8;
const L1 = CLUSTER;
/** Behind the header, the L1 table and the first clusters that are written. */
const L2 = 5 * CLUSTER;

const HEADER = [
  ['magic', 0, 4],
  ['cluster_size', 4, 4],
  ['table_size', 8, 4],
  ['header_size', 12, 4],
  ['features', 16, 8],
  ['compat_features', 24, 8],
  ['autoclear_features', 32, 8],
  ['l1_table_offset', 40, 8],
  ['image_size', 48, 8],
  ['backing_filename_offset', 56, 4],
  ['backing_filename_size', 60, 4],
] as const;

const HARMLESS = new Set(['header_size', 'compat_features', 'autoclear_features', 'image_size']);

function isHarmless([name]: (typeof HEADER)[number]): boolean {
  return HARMLESS.has(name);
}

export function qedSeeds(): SeedImage[] {
  const plain = image(false);
  return [
    seed('plain', plain),
    seed('over an image', image(true)),
    seed('not closed', patched(plain, [16, 2])),
    seed('tables in a circle', patched(plain, [L1 + 8, L1], [L2 + 8, L2], [L2 + 16, L1])),
    seed('one table many times', shared(plain)),
    seed('into the header', patched(plain, [L1 + 16, 1], [L2 + 8, 4095], [L2 + 16, 2])),
    seed('past the end', patched(plain, [L1 + 8, 2 ** 40], [L2 + 8, 2 ** 52], [16, 2])),
    seed(
      'large tables',
      createdImage({ ...SHAPE, options: LARGE }, () => {}),
    ),
  ];
}

const SHAPE = { format: 'qed', sizeBytes: 4 * PER_TABLE * CLUSTER + 512 };
const LARGE = { cluster_size: 4 * CLUSTER, table_size: 16 };

function image(hasBacking: boolean): Uint8Array {
  const options = { cluster_size: CLUSTER, table_size: 1 };
  return createdImage({ ...SHAPE, options, hasBacking }, (disk) => {
    disk.writeSync(new Uint8Array(3 * CLUSTER).fill(0x51), 0);
    disk.writeZeroesSync(8 * CLUSTER, 4 * CLUSTER);
    disk.writeSync(new Uint8Array(100).fill(0x45), PER_TABLE * CLUSTER + 77);
    disk.writeSync(new Uint8Array(CLUSTER).fill(0x44), 3 * PER_TABLE * CLUSTER);
  });
}

function patched(bytes: Uint8Array, ...entries: [at: number, value: number][]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of entries) writeU64le(copy, at, value);
  return copy;
}

function shared(bytes: Uint8Array): Uint8Array {
  const entries = Array.from({ length: PER_TABLE }, (_, index) => index * 8);
  return patched(
    bytes,
    [48, PER_TABLE * PER_TABLE * CLUSTER],
    ...entries.map((at): [number, number] => [L1 + at, L2]),
    ...entries.map((at): [number, number] => [L2 + at, 2 * CLUSTER]),
  );
}

function seed(name: string, bytes: Uint8Array): SeedImage {
  const table = { widthBytes: 8, bigEndian: false, lengthBytes: 128 } as const;
  const regions: Region[] = [
    { ...table, name: 'L1', offset: L1 },
    { ...table, name: 'L2', offset: L2 },
  ];
  return {
    name,
    bytes,
    unitBytes: CLUSTER,
    // Most changes of what is left out elsewhere are refused at once.
    fields: headerFields(0, false, name === 'plain' ? HEADER : HEADER.filter(isHarmless)),
    regions: regions.filter(({ offset }) => offset + 128 <= bytes.length),
  };
}
