/** Where the fields and the table of a Parallels image are, and images whose tables lead astray. */
import { writeU32le } from '@diskfile/bytes';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { createdImage } from './created-image.ts';

const CLUSTER = 4096;
const TABLE = 64;
const ENTRIES = 100;

const HEADER = [
  ['magic', 0, 8],
  ['version', 16, 4],
  ['heads', 20, 4],
  ['cylinders', 24, 4],
  ['tracks', 28, 4],
  ['nb_bat_entries', 32, 4],
  ['nb_sectors', 36, 8],
  ['in_use', 44, 4],
  ['data_off', 48, 4],
  ['flags', 52, 4],
  ['ext_off', 56, 8],
] as const;

export function parallelsSeeds(): SeedImage[] {
  const plain = createdImage(
    { format: 'parallels', sizeBytes: ENTRIES * CLUSTER - 512, options: { cluster_size: CLUSTER } },
    (disk) => {
      disk.writeSync(new Uint8Array(3 * CLUSTER).fill(0x51), 0);
      disk.writeSync(new Uint8Array(100).fill(0x45), 50 * CLUSTER + 77);
      disk.writeSync(new Uint8Array(CLUSTER).fill(0x44), 20 * CLUSTER);
    },
  );
  return [
    seed('plain', plain),
    seed('older', older(plain)),
    seed('not closed', patched(plain, [44, 0x746f_6e59])),
    seed('one cluster many times', patched(plain, ...entries((_, at) => [TABLE + at * 4, 2]))),
    seed('into the table', older(patched(plain, [TABLE + 4, 1], [TABLE + 8, 3]))),
    seed('past the end', patched(plain, ...entries((_, at) => [TABLE + at * 4, 2 ** 32 - 1 - at]))),
    seed('with an extension', patched(plain, [56, 3 * 8])),
    seed('all of it leaks', patched(plain, ...entries((_, at) => [TABLE + at * 4, 0]))),
  ];
}

function entries(make: (_: unknown, at: number) => [at: number, value: number]) {
  return Array.from({ length: ENTRIES }, make);
}

function patched(bytes: Uint8Array, ...values: [at: number, value: number][]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of values) writeU32le(copy, at, value);
  return copy;
}

/** The same with entries that count sectors. */
function older(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy.set(new TextEncoder().encode('WithoutFreeSpace'));
  const view = new DataView(copy.buffer);
  for (const [at] of entries((_, index) => [TABLE + index * 4, 0])) {
    view.setUint32(at, (view.getUint32(at, true) * CLUSTER) / 512, true);
  }
  return copy;
}

function seed(name: string, bytes: Uint8Array): SeedImage {
  const table = { name: 'table', offset: TABLE, lengthBytes: ENTRIES * 4, widthBytes: 4 } as const;
  return {
    name,
    bytes,
    unitBytes: CLUSTER,
    fields: headerFields(0, false, HEADER),
    regions: [{ ...table, bigEndian: false }],
  };
}
