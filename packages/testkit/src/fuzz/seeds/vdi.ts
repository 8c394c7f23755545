/** VDI images with small blocks, where their fields and maps are, and some whose maps lead astray. */
import { writeU32le } from '@diskfile/bytes';
import { buildSmallVdi } from '../../builders/small-vdi.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';

const SECTOR = 512;
const MAP_AT = 512;
const UUIDS_AT = 392;
const FREE = 0xffff_ffff;
const ZERO = 0xffff_fffe;

const HEADER = [
  ['u32Version', 68, 4],
  ['cbHeader', 72, 4],
  ['u32Type', 76, 4],
  ['offBlocks', 340, 4],
  ['offData', 344, 4],
  ['cbSector', 360, 4],
  ['cbDisk', 368, 8],
  ['cbBlock', 376, 4],
  ['cbBlockExtra', 380, 4],
  ['cBlocks', 384, 4],
  ['cBlocksAllocated', 388, 4],
  ['uuidLinkage', 424, 4],
] as const;

interface Shape {
  readonly type?: number;
  readonly blockBytes?: number;
  readonly blockExtraBytes?: number;
  /** Entries of the map; those that are left out are free. */
  readonly map: readonly number[];
  readonly allocated: number;
}

const sizeBytes = 60 * 1024;
/** What a differencing mutant finds below it. */
export const vdiParent = image({ map: [1, FREE, 0, ZERO], allocated: 2 });

export function vdiSeeds(): SeedImage[] {
  const all = Array.from({ length: 15 }, (_, index) => index);
  return [
    seed('dynamic', { map: [1, FREE, 0, ZERO], allocated: 2 }),
    seed('static', { type: 2, map: all, allocated: 15 }),
    seed('room before blocks', { blockExtraBytes: SECTOR, map: [0, 1, ZERO], allocated: 2 }),
    seed('large blocks', { blockBytes: 32_768, map: [FREE, 0], allocated: 1 }),
    seed('undo', { type: 3, map: [FREE, 0, ZERO], allocated: 1 }),
    seed('differencing', { type: 4, map: [FREE, 0, ZERO, 1], allocated: 2 }),
    seed('one block twice', { map: [0, 0, 1], allocated: 2 }),
    seed('past the end', { map: [0, 14, 13], allocated: 3 }),
    seed('a place that cannot be', { map: [0, 15, 0x7fff_ffff], allocated: 1 }),
    seed('a count that is too low', { map: [0, 1, 2], allocated: 1 }),
  ];
}

function image({ type = 1, blockBytes = 4096, ...shape }: Shape): Uint8Array {
  const { blockExtraBytes = 0, map, allocated } = shape;
  const empty = buildSmallVdi({ sizeBytes, blockBytes, blockExtraBytes });
  const dataBytes = Math.min(allocated, 15) * (blockBytes + blockExtraBytes);
  const bytes = new Uint8Array(empty.length + dataBytes).fill(0x5a);
  bytes.set(empty);
  writeU32le(bytes, 76, type);
  writeU32le(bytes, 388, allocated);
  for (const [index, entry] of map.entries()) writeU32le(bytes, MAP_AT + index * 4, entry);
  // Always the same, so that overlays fit their parent.
  bytes.fill(0x11, UUIDS_AT, UUIDS_AT + 32);
  if (type > 2) bytes.fill(0x11, UUIDS_AT + 32, UUIDS_AT + 64);
  return bytes;
}

function seed(name: string, shape: Shape): SeedImage {
  return {
    name,
    bytes: image(shape),
    unitBytes: SECTOR,
    fields: headerFields(0, false, HEADER),
    regions: [{ name: 'map', offset: MAP_AT, lengthBytes: 64, widthBytes: 4, bigEndian: false }],
  };
}
