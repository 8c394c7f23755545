/** UDIF images with chunks of every kind, and where their fields are. */
import { deflateSync } from 'node:zlib';
import {
  buildDmg,
  DMG_CHUNK,
  type DmgChunkSpec,
  type DmgSpec,
  FIRST_TABLE_IN_FORK,
} from '../../builders/dmg.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { packedSeeds } from './image-folder.ts';

/** Those by which an image is not refused as a whole, mostly. */
const TRAILER = [
  ['DataForkOffset', 24, 8],
  ['DataForkLength', 32, 8],
  ['MasterChecksum', 360, 4],
  ['ImageVariant', 488, 4],
  ['SectorCount', 492, 8],
] as const;
const TABLE = [
  ['SectorCount', 16, 8],
  ['DataOffset', 24, 8],
  ['Checksum', 72, 4],
  ['NumberOfBlockChunks', 200, 4],
] as const;
const TABLE_HEADER_BYTES = 204;

/** What the packed streams yield. */
const STREAM_SECTORS = 32;
const CONTENT = Uint8Array.from({ length: 16 * 512 }, (_, at) => Math.imul(at, at) >>> 8);

function packed(type: number, id: string, name: string): DmgChunkSpec {
  const { bytes } = packedSeeds(id).find((each) => each.name === name)!;
  return { type, sectors: STREAM_SECTORS, data: bytes };
}

function chunks(): DmgChunkSpec[] {
  return [
    { type: DMG_CHUNK.comment, sectors: 0 },
    { type: DMG_CHUNK.raw, sectors: 16, data: CONTENT },
    { type: DMG_CHUNK.zero, sectors: 3 },
    { type: DMG_CHUNK.zlib, sectors: 16, data: deflateSync(CONTENT) },
    packed(DMG_CHUNK.adc, 'adc', 'sample'),
    packed(DMG_CHUNK.bzip2, 'bzip2', 'text'),
    { type: DMG_CHUNK.ignore, sectors: 5 },
    packed(DMG_CHUNK.lzfse, 'lzfse', 'sample-mixed'),
    packed(DMG_CHUNK.lzma, 'xz', 'mixed-crc64'),
  ];
}

export function dmgSeeds(): SeedImage[] {
  const whole = { tables: [{ chunks: chunks() }] };
  const parts = { tables: chunks().map((chunk) => ({ chunks: [chunk], crc32: 1 })) };
  const specs: [string, DmgSpec][] = [
    ['resource-fork', { ...whole, resourceFork: true }],
    ['property-list', whole],
    ['parts', { ...parts, masterCrc32: 2 }],
  ];
  return specs.map(([name, spec]) => {
    const bytes = new Uint8Array(buildDmg(spec));
    const fields = headerFields(bytes.length - 512, true, TRAILER);
    const seed = { name, bytes, unitBytes: 512, fields, regions: [] };
    return spec.resourceFork ? withTable(seed) : seed;
  });
}

/** Adds where the table is that stands in the fork as it is. */
function withTable(seed: SeedImage): SeedImage {
  const forkAt = Number(Buffer.from(seed.bytes.subarray(-512)).readBigUInt64BE(40));
  const tableAt = forkAt + FIRST_TABLE_IN_FORK;
  const fields = [...seed.fields, ...headerFields(tableAt, true, TABLE)];
  const entries = {
    name: 'chunks',
    offset: tableAt + TABLE_HEADER_BYTES,
    lengthBytes: 10 * 40,
    widthBytes: 8,
    bigEndian: true,
  } as const;
  const map = {
    name: 'fork',
    offset: forkAt,
    lengthBytes: 16,
    widthBytes: 4,
    bigEndian: true,
  } as const;
  return { ...seed, fields, regions: [entries, map] };
}
