/** Where the fields and tables of VHD images are, and checksums that a mutant gets right again. */
import { buildSmallVhd } from '../../builders/small-vhd.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { createdImage } from './created-image.ts';

const SECTOR = 512;
const HEADER_AT = 512;
const TABLE_AT = 1536;
const HEADER_BYTES = 1024;
const FOOTER = [
  ['features', 8, 4],
  ['dataOffset', 16, 8],
  ['currentSize', 48, 8],
  ['cylinders', 56, 2],
  ['diskType', 60, 4],
  ['checksum', 64, 4],
] as const;
const HEADER = [
  ['tableOffset', 16, 8],
  ['maxTableEntries', 28, 4],
  ['blockSize', 32, 4],
  ['checksum', 36, 4],
  ['platformCode', 576, 4],
  ['platformDataLength', 584, 4],
  ['platformDataOffset', 592, 8],
] as const;

const sizeBytes = 60 * 1024;
const dynamic = withId(buildSmallVhd({ sizeBytes, blockBytes: 4096 }));
/** What a differencing mutant finds below it. */
export const vhdParent = withBlocks(dynamic, [1, 0]);

export function vhdSeeds(): SeedImage[] {
  const options = { force_size: true, subformat: 'fixed' };
  const fixed = createdImage({ format: 'vhd', sizeBytes, options }, (disk) => {
    disk.writeSync(new Uint8Array(700).fill(3), 3000);
  });
  return [
    describeVhd('fixed', fixed),
    describeVhd('dynamic', withBlocks(dynamic, [0, 1])),
    describeVhd('a block in the header', withBlocks(dynamic, [-3, 0])),
    describeVhd('one block twice', withBlocks(dynamic, [0, 0])),
    describeVhd('past the end', withBlocks(dynamic, [0, 1000])),
    describeVhd('differencing', differencing('base.vhd', [0, 1])),
    describeVhd('a foreign parent', differencing('..\\..\\etc\\base.vhd', [0])),
    describeVhd('a bitmap in the table', differencing('base.vhd', [-1, 0])),
  ];
}

/** Of the first block some sectors are its own, of the second one all but some. */
function differencing(name: string, places: readonly number[]): Uint8Array {
  const parent = { image: vhdParent, name };
  const empty = withId(buildSmallVhd({ sizeBytes, blockBytes: 4096, parent }));
  return withBlocks(empty, places);
}

/** Seeds are always the same. */
function withId(image: Uint8Array): Uint8Array {
  for (const at of [0, image.length - SECTOR]) image.fill(0x49, at + 68, at + 84);
  repairAll(image);
  return image;
}

/** Blocks at places behind the table, counted in blocks; the footer is moved behind two of them. */
function withBlocks(image: Uint8Array, places: readonly number[]): Uint8Array {
  const strideBytes = SECTOR + 4096;
  const start = image.length - SECTOR;
  const grown = new Uint8Array(start + 2 * strideBytes + SECTOR).fill(0x5a, start);
  grown.set(image.subarray(0, start));
  grown.set(image.subarray(start), grown.length - SECTOR);
  const view = new DataView(grown.buffer);
  for (const [index, place] of places.entries()) {
    view.setUint32(TABLE_AT + index * 4, Math.max(0, (start + place * strideBytes) / SECTOR));
  }
  return grown;
}

function describeVhd(name: string, bytes: Uint8Array): SeedImage {
  return {
    name,
    bytes,
    unitBytes: SECTOR,
    fields: [
      ...headerFields(0, true, FOOTER),
      ...headerFields(HEADER_AT, true, HEADER),
      ...headerFields(bytes.length - SECTOR, true, FOOTER),
    ],
    regions: [{ name: 'table', offset: TABLE_AT, lengthBytes: 64, widthBytes: 4, bigEndian: true }],
    repair: repairAll,
  };
}

function repairAll(mutant: Uint8Array): void {
  repairChecksum(mutant, { cookie: 'conectix', at: 0, lengthBytes: SECTOR, sumAt: 64 });
  const at = mutant.length - SECTOR;
  repairChecksum(mutant, { cookie: 'conectix', at, lengthBytes: SECTOR, sumAt: 64 });
  const header = { cookie: 'cxsparse', at: HEADER_AT, lengthBytes: HEADER_BYTES, sumAt: 36 };
  repairChecksum(mutant, header);
}

interface Summed {
  readonly cookie: string;
  readonly at: number;
  readonly lengthBytes: number;
  readonly sumAt: number;
}

function repairChecksum(bytes: Uint8Array, { cookie, at, lengthBytes, sumAt }: Summed): void {
  if (at < 0 || at + lengthBytes > bytes.length) return;
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + at, lengthBytes);
  if (part.toString('latin1', 0, 8) !== cookie) return;
  part.writeUInt32BE(0, sumAt);
  part.writeUInt32BE(0xffff_ffff - part.reduce((sum, byte) => sum + byte, 0), sumAt);
}
