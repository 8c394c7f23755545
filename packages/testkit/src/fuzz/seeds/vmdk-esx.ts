/** Small extents of ESX Server, which nothing here writes, laid out by hand. */
import { writeU32le, writeU64le } from '@diskfile/bytes';

const SECTOR = 512;
/** 2 MiB. */
const SECTORS = 4096;

/** "COWD": the directory, one table of 4096 entries, grains of one sector. */
export function cowdExtent(): Uint8Array {
  const bytes = new Uint8Array(60 * SECTOR);
  const header = [0x4457_4f43, 1, 3, SECTORS, 1, 4, 1, 60];
  for (const [index, value] of header.entries()) writeU32le(bytes, index * 4, value);
  writeU32le(bytes, 4 * SECTOR, 5);
  for (const grain of [0, 1, 7, 4000]) {
    const sector = 40 + (grain % 20);
    writeU32le(bytes, 5 * SECTOR + grain * 4, sector);
    bytes.fill(grain % 251, sector * SECTOR, (sector + 1) * SECTOR);
  }
  return bytes;
}

/** seSparse: one table of 4096 entries, grains of eight sectors. */
export function seSparseExtent(): Uint8Array {
  const directory = 8;
  const tables = 16;
  const grains = 128;
  const bytes = new Uint8Array((grains + 4 * 8) * SECTOR);
  const header = [
    [0, 0xcafe_babe],
    [8, 0x0000_0002_0000_0001],
    [16, SECTORS],
    [24, 8],
    [32, 64],
    [80, 1],
    [88, 1],
    [128, directory],
    [136, 1],
    [144, tables],
    [152, 64],
    [192, grains],
    [200, 4 * 8],
  ] as const;
  for (const [at, value] of header) writeU64le(bytes, at, value);
  writeU64le(bytes, SECTOR, 0xcafe_cafe);
  writeU32le(bytes, directory * SECTOR + 4, 0x1000_0000);
  const entries: [grain: number, kind: number, place: number][] = [
    [0, 3, 0],
    [1, 3, 2],
    [2, 2, 0],
    [3, 1, 0],
    [100, 3, 3],
  ];
  for (const [grain, kind, place] of entries) {
    const at = tables * SECTOR + grain * 8;
    writeU32le(bytes, at + 4, kind * 0x1000_0000 + place * 0x1_0000);
    if (kind !== 3) continue;
    const start = (grains + place * 8) * SECTOR;
    bytes.fill(grain + 1, start, start + 8 * SECTOR);
  }
  return bytes;
}
