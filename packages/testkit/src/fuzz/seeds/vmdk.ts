/** VMDK disks of every kind, where their fields and tables are, and some that lead astray. */
import { deflateSync } from 'node:zlib';
import { readU32le, writeU32le } from '@diskfile/bytes';
import {
  type DiskFile,
  findDriver,
  type FormatOptions,
  MemoryStorage,
  type OpenGate,
  runSync,
} from '@diskfile/core';
import { ALL_FORMATS, openDiskFileSync } from 'diskfile';
import { headerFields, plainSeed, type Region, type SeedImage } from '../seed-image.ts';
import { cowdExtent, seSparseExtent } from './vmdk-esx.ts';

const SECTOR = 512;
const GRAIN = 64 * 1024;
const MIB = 1024 * 1024;
/** Two grain tables. */
const SIZE = 33 * MIB;
/** Where they are in what is created: directory, tables, the same again. */
const DIRECTORIES = [21 * SECTOR, 30 * SECTOR];
const TABLE_BYTES = 4 * SECTOR;
/** Of one digit: what is there, and is overwritten, has from one to eight by chance. */
const CID = '0000000b';
const OVERLAY_CID = '0000000c';

const HEADER = [
  ['version', 4, 4],
  ['flags', 8, 4],
  ['capacity', 12, 8],
  ['grainSize', 20, 8],
  ['descriptorOffset', 28, 8],
  ['descriptorSize', 36, 8],
  ['numGTEsPerGT', 44, 4],
  ['rgdOffset', 48, 8],
  ['gdOffset', 56, 8],
  ['overHead', 64, 8],
  ['uncleanShutdown', 72, 1],
  ['compressAlgorithm', 77, 2],
] as const;

/** What the names in descriptors lead to. */
let files: Map<string, Uint8Array> | undefined;

export function vmdkFiles(): ReadonlyMap<string, Uint8Array> {
  files ??= new Map([
    ['base.vmdk', sparse()],
    ['part-s001.vmdk', sparse()],
    ['part-s002.vmdk', sparse()],
    ['cowd.vmdk', cowdExtent()],
    ['se.vmdk', seSparseExtent()],
  ]);
  return files;
}

export function vmdkSeeds(): SeedImage[] {
  const plain = sparse();
  const stream = sparse({ subformat: 'streamOptimized' });
  const [table] = tablesOf(plain) as [number];
  return [
    seed('plain', plain),
    seed('zeroed grains', sparse({ zeroed_grain: 'on' })),
    seed('over a parent', overParent()),
    seed('stream', stream),
    seed('stream with a footer', withFooter(stream)),
    seed('markers in a circle', patched(stream, [128 * SECTOR, 0x100], [128 * SECTOR + 8, 0])),
    seed('bomb', bomb(stream)),
    seed('tables in a circle', patched(plain, [DIRECTORIES[1]!, 30], [table, 31])),
    seed('one table many times', patched(plain, [DIRECTORIES[1]! + 4, table / SECTOR])),
    seed('into the header', patched(plain, [table, 1], [table + 4, 2], [table + 8, 21])),
    seed('at each other', patched(plain, [table, 129], [table + 4, 130], [table + 8, 128])),
    seed('past the end', patched(plain, [table + 8, 0xffff_ffff], [table + 12, 0x0100_0000])),
    seed('ESX', cowdExtent()),
    seed('seSparse', seSparseExtent()),
    ...descriptors().map(([name, text]) => plainSeed(name, new TextEncoder().encode(text))),
  ];
}

function sparse(options: FormatOptions = {}): Uint8Array {
  return made({ options, parent: undefined }, (disk) => {
    disk.writeSync(new Uint8Array(2 * GRAIN).fill(0x41), 0);
    disk.writeSync(new Uint8Array(GRAIN).fill(0x42), 9 * GRAIN);
    disk.writeSync(new Uint8Array(GRAIN).fill(0x43), 513 * GRAIN);
  });
}

function overParent(): Uint8Array {
  return made({ options: { zeroed_grain: 'on' }, parent: 'base.vmdk' }, (disk) => {
    disk.writeSync(new Uint8Array(100).fill(0x44), GRAIN + 5);
    disk.writeZeroesSync(9 * GRAIN, GRAIN);
  });
}

interface Shape {
  readonly options: FormatOptions;
  readonly parent: string | undefined;
}

function made({ options, parent }: Shape, fill: (disk: DiskFile) => void): Uint8Array {
  const storage = new MemoryStorage(new Uint8Array(0), 'image');
  runSync(
    findDriver(ALL_FORMATS, 'vmdk')!.create!({
      storage,
      sizeBytes: SIZE,
      options,
      backing: parent === undefined ? undefined : { name: parent, format: 'vmdk' },
      // eslint-disable-next-line require-yield
      *describeBacking() {
        return { cid: CID };
      },
      *createNamed({ filename }) {
        throw new Error(`assertion failed: ${filename} is one file too many`);
      },
    }),
  );
  withCid(storage.bytes, parent === undefined ? CID : OVERLAY_CID);
  const disk = openDiskFileSync(storage, { format: 'vmdk', gate: baseGate(), readOnly: false });
  fill(disk);
  disk.closeSync();
  withCid(storage.bytes, parent === undefined ? CID : OVERLAY_CID);
  return storage.bytes.slice();
}

function baseGate(): OpenGate {
  return {
    *open() {
      return new MemoryStorage(sparse(), 'base.vmdk');
    },
  };
}

/** Seeds are always the same, and an overlay fits its parent. */
function withCid(bytes: Uint8Array, cid: string): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + SECTOR, 20 * SECTOR);
  const at = text.indexOf('\nCID=') + 5;
  const there = text.indexOf('\n', at) - at;
  text.write(cid.slice(-there).padStart(there, '0'), at, 'latin1');
}

function tablesOf(bytes: Uint8Array): number[] {
  return [0, 4].map((at) => readU32le(bytes, DIRECTORIES[1]! + at) * SECTOR);
}

function patched(bytes: Uint8Array, ...entries: [at: number, value: number][]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of entries) writeU32le(copy, at, value);
  return copy;
}

/** As writers make it that cannot go back: the header does not know where the directory is. */
function withFooter(stream: Uint8Array): Uint8Array {
  const ended = new Uint8Array(stream.length + 3 * SECTOR);
  ended.set(stream);
  writeU32le(ended, stream.length, 1);
  writeU32le(ended, stream.length + 12, 3);
  ended.set(stream.subarray(0, SECTOR), stream.length + SECTOR);
  ended.fill(0xff, 56, 64);
  return ended;
}

/** The first grain would become 24 MiB. */
function bomb(stream: Uint8Array): Uint8Array {
  const encoded = deflateSync(new Uint8Array(24 * MIB));
  const copy = new Uint8Array(stream.length + GRAIN * 2);
  copy.set(stream);
  writeU32le(copy, stream.length + 8, encoded.length);
  copy.set(encoded.subarray(0, GRAIN * 2 - 12), stream.length + 12);
  writeU32le(copy, tablesOf(stream)[0]!, stream.length / SECTOR);
  return copy;
}

function descriptors(): [name: string, text: string][] {
  const part = (name: string, type = 'SPARSE', sectors = SIZE / SECTOR) =>
    `RW ${sectors} ${type} "${name}"`;
  const flat = (name: string, sectors = 100, from = 0) => `RW ${sectors} FLAT "${name}" ${from}`;
  const many = Array.from({ length: 3000 }, (_, index) => flat('many-flat.vmdk', 1, index % 180));
  const parent = 'parentFileNameHint="base.vmdk"';
  return [
    ['split', descriptor([part('part-s001.vmdk'), part('part-s002.vmdk')])],
    ['flat', descriptor([flat('a-flat.vmdk'), 'RW 64 ZERO', flat('a-flat.vmdk', 50, 100)])],
    ['flat over a parent', descriptor([flat('a-flat.vmdk'), 'RW 64 ZERO'], parent)],
    ['ESX parts', descriptor([part('cowd.vmdk', 'VMFSSPARSE', 4096)])],
    ['seSparse part', descriptor([part('se.vmdk', 'SESPARSE', 4096)])],
    ['thousands of extents', descriptor(many)],
    ['one part twice', descriptor([part('part-s001.vmdk'), part('part-s001.vmdk')])],
    [
      'foreign files',
      descriptor(['/etc/passwd', '../../x', '/dev/sda', 'image', '.'].map((name) => flat(name, 9))),
    ],
    ['long lines', descriptor([flat('n'.repeat(50_000), 1), `${' '.repeat(50_000)}RW 1 ZERO`])],
    ['long values', descriptor(['RW 9 ZERO', `ddb.x = "${'= "'.repeat(20_000)}`])],
  ];
}

function descriptor(lines: readonly string[], parent = ''): string {
  const parentCid = parent === '' ? 'ffffffff' : CID;
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    `parentCID=${parentCid}`,
    'createType="custom"',
    parent,
    '# Extent description',
    ...lines,
    '# The Disk Data Base',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

function seed(name: string, bytes: Uint8Array): SeedImage {
  const table = { widthBytes: 4, bigEndian: false } as const;
  const regions: Region[] = DIRECTORIES.flatMap((offset, copy) => [
    { ...table, name: `directory ${copy}`, offset, lengthBytes: 8 },
    { ...table, name: `table ${copy}`, offset: offset + SECTOR, lengthBytes: 2 * TABLE_BYTES },
  ]);
  const marker = { ...table, name: 'marker', offset: 128 * SECTOR, lengthBytes: 16 };
  const hasFooter = name.endsWith('footer');
  return {
    name,
    bytes,
    unitBytes: SECTOR,
    fields: [
      ...headerFields(0, false, HEADER),
      ...(hasFooter ? headerFields(bytes.length - 2 * SECTOR, false, HEADER) : []),
    ],
    regions: [...regions, marker].filter(({ offset }) => offset + GRAIN <= bytes.length),
  };
}
