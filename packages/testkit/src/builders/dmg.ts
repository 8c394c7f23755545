/**
 * Makes UDIF images, written from the format's description alone. Chunks are given as they shall
 * stand in the file, right or wrong.
 */
const TRAILER_BYTES = 512;
const TABLE_HEADER_BYTES = 204;
const ENTRY_BYTES = 40;

export const DMG_CHUNK = {
  zero: 0,
  raw: 1,
  ignore: 2,
  comment: 0x7fff_fffe,
  adc: 0x8000_0004,
  zlib: 0x8000_0005,
  bzip2: 0x8000_0006,
  lzfse: 0x8000_0007,
  lzma: 0x8000_0008,
  terminator: 0xffff_ffff,
} as const;

export interface DmgChunkSpec {
  readonly type: number;
  readonly sectors: number;
  /** Put into the data fork, right behind that of the chunk before. */
  readonly data?: Uint8Array;
  /** In place of the sector behind the chunk before, from the start of the table's part. */
  readonly firstSector?: number;
  /** In place of where `data` is, from the start of the data fork. */
  readonly offset?: number;
  readonly lengthBytes?: number;
}

export interface DmgTableSpec {
  readonly name?: string;
  readonly firstSector?: number;
  readonly chunks: readonly DmgChunkSpec[];
  readonly crc32?: number;
  /** Changes the table when it is done. */
  readonly patch?: (table: Buffer) => void;
}

export interface DmgSpec {
  readonly tables: readonly DmgTableSpec[];
  readonly resourceFork?: boolean;
  /** In place of the property list that there would be. */
  readonly xml?: string;
  readonly sectorCount?: number;
  readonly masterCrc32?: number;
  /** Changes the trailer when it is done. */
  readonly patch?: (trailer: Buffer) => void;
}

export function buildDmg(spec: DmgSpec): Buffer {
  const fork: Uint8Array[] = [];
  let forkBytes = 0;
  let sectors = 0;
  const tables = spec.tables.map((table) => {
    const entries = table.chunks.map((chunk) => {
      const { data = new Uint8Array(0) } = chunk;
      const entry = { ...chunk, offset: chunk.offset ?? forkBytes };
      fork.push(data);
      forkBytes += data.length;
      return { ...entry, lengthBytes: chunk.lengthBytes ?? data.length };
    });
    const part = table.chunks.reduce((sum, chunk) => sum + chunk.sectors, 0);
    const firstSector = table.firstSector ?? sectors;
    sectors = Math.max(sectors, firstSector + part);
    const bytes = blockTable(table, firstSector, part, entries);
    table.patch?.(bytes);
    return bytes;
  });
  const xml = Buffer.from(spec.resourceFork ? '' : (spec.xml ?? propertyList(spec, tables)));
  const resources = spec.resourceFork ? resourceFork(tables) : Buffer.alloc(0);
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.write('koly', 0, 'latin1');
  trailer.writeUInt32BE(4, 4);
  trailer.writeUInt32BE(TRAILER_BYTES, 8);
  trailer.writeBigUInt64BE(BigInt(forkBytes), 32);
  trailer.writeBigUInt64BE(BigInt(forkBytes), 40);
  trailer.writeBigUInt64BE(BigInt(resources.length), 48);
  trailer.writeUInt32BE(1, 56);
  trailer.writeUInt32BE(1, 60);
  trailer.writeBigUInt64BE(BigInt(forkBytes + resources.length), 216);
  trailer.writeBigUInt64BE(BigInt(xml.length), 224);
  writeChecksum(trailer, 352, spec.masterCrc32);
  trailer.writeUInt32BE(1, 488);
  trailer.writeBigUInt64BE(BigInt(spec.sectorCount ?? sectors), 492);
  spec.patch?.(trailer);
  return Buffer.concat([...fork, resources, xml, trailer]);
}

function writeChecksum(bytes: Buffer, at: number, crc32: number | undefined): void {
  if (crc32 === undefined) return;
  bytes.writeUInt32BE(2, at);
  bytes.writeUInt32BE(32, at + 4);
  bytes.writeUInt32BE(crc32, at + 8);
}

type Entry = DmgChunkSpec & { readonly offset: number; readonly lengthBytes: number };

function blockTable(
  table: DmgTableSpec,
  firstSector: number,
  sectorCount: number,
  chunks: readonly Entry[],
): Buffer {
  const end = { type: DMG_CHUNK.terminator, sectors: 0, offset: 0, lengthBytes: 0 };
  const entries = [...chunks, { ...end, firstSector: sectorCount }];
  const bytes = Buffer.alloc(TABLE_HEADER_BYTES + entries.length * ENTRY_BYTES);
  bytes.write('mish', 0, 'latin1');
  bytes.writeUInt32BE(1, 4);
  bytes.writeBigUInt64BE(BigInt(firstSector), 8);
  bytes.writeBigUInt64BE(BigInt(sectorCount), 16);
  writeChecksum(bytes, 64, table.crc32);
  bytes.writeUInt32BE(entries.length, 200);
  let sector = 0;
  for (const [index, entry] of entries.entries()) {
    const at = TABLE_HEADER_BYTES + index * ENTRY_BYTES;
    sector = entry.firstSector ?? sector;
    bytes.writeUInt32BE(entry.type, at);
    bytes.writeBigUInt64BE(BigInt(sector), at + 8);
    bytes.writeBigUInt64BE(BigInt(entry.sectors), at + 16);
    bytes.writeBigUInt64BE(BigInt(entry.offset), at + 24);
    bytes.writeBigUInt64BE(BigInt(entry.lengthBytes), at + 32);
    sector += entry.sectors;
  }
  return bytes;
}

function propertyList({ tables: specs }: DmgSpec, tables: readonly Buffer[]): string {
  const resources = tables.map((table, index) => {
    const lines = table.toString('base64').match(/.{1,52}/g) ?? [];
    const name = specs[index]!.name ?? `part ${index}`;
    return [
      '<dict><key>Attributes</key><string>0x0050</string>',
      `<key>Name</key><string>${name}</string>`,
      `<key>Data</key><data>\n\t${lines.join('\n\t')}\n</data></dict>`,
    ].join('');
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://x.example/PropertyList-1.0.dtd">',
    '<plist version="1.0"><dict><key>resource-fork</key>',
    `<dict><key>blkx</key><array>${resources.join('')}</array><key>plst</key><array/></dict>`,
    '</dict></plist>\n',
  ].join('\n');
}

const FORK_HEADER_BYTES = 256;

/** Where the first block table is within a resource fork: behind the header and its own length. */
export const FIRST_TABLE_IN_FORK = FORK_HEADER_BYTES + 4;

/** Resources of the one type `blkx`. */
function resourceFork(tables: readonly Buffer[]): Buffer {
  const data: Buffer[] = [];
  let dataBytes = 0;
  const references = Buffer.alloc(12 * tables.length);
  for (const [index, table] of tables.entries()) {
    references.writeInt16BE(index, index * 12);
    references.writeUInt16BE(0xffff, index * 12 + 2);
    references.writeUInt32BE(dataBytes, index * 12 + 4);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(table.length);
    data.push(length, table);
    dataBytes += 4 + table.length;
  }
  const types = Buffer.alloc(10);
  types.writeUInt16BE(0, 0);
  types.write('blkx', 2, 'latin1');
  types.writeUInt16BE(tables.length - 1, 6);
  types.writeUInt16BE(types.length, 8);
  const mapBytes = 28 + types.length + references.length;
  const header = Buffer.alloc(FORK_HEADER_BYTES);
  header.writeUInt32BE(FORK_HEADER_BYTES, 0);
  header.writeUInt32BE(FORK_HEADER_BYTES + dataBytes, 4);
  header.writeUInt32BE(dataBytes, 8);
  header.writeUInt32BE(mapBytes, 12);
  const map = Buffer.alloc(28);
  header.copy(map, 0, 0, 16);
  map.writeUInt16BE(28, 24);
  map.writeUInt16BE(mapBytes, 26);
  return Buffer.concat([header, ...data, map, types, references]);
}
