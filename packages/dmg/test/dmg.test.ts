import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '@diskfile/bytes';
import { makeDecoders } from '@diskfile/codec';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Limits,
  MemoryStorage,
  openChain,
  runAsync,
  runSync,
} from '@diskfile/core';
import {
  buildDmg,
  DMG_CHUNK,
  type DmgChunkSpec,
  type DmgSpec,
  type DmgTableSpec,
  refusalOf,
} from '@diskfile/testkit';
import { dmgDriver } from '../src/index.ts';

const SECTOR = 512;
const decoders = makeDecoders();
const content = Buffer.from(
  Uint8Array.from({ length: 8 * SECTOR }, (_, at) => Math.imul(at, 0x9e37_79b1) >>> 24),
);

function open(image: Uint8Array, limits: Partial<Limits> = {}): DiskFile {
  const chain = runSync(
    openChain(new MemoryStorage(image, 'disk.dmg'), {
      drivers: [dmgDriver],
      decoders,
      gate: closedGate,
      limits: { ...DEFAULT_LIMITS, ...limits },
      format: 'dmg',
      snapshot: undefined,
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function readAll(image: Uint8Array): Buffer {
  const disk = open(image);
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

function check(image: Uint8Array) {
  return dmgDriver.check!({
    storage: new MemoryStorage(image, 'disk.dmg'),
    decoders,
    makeHash: (algorithm) => createHash(algorithm),
    limits: DEFAULT_LIMITS,
    repair: undefined,
    warn() {},
    openNamed() {
      throw new Error('no image names another');
    },
    onProgress() {},
  });
}

const raw = (data: Uint8Array): DmgChunkSpec => ({
  type: DMG_CHUNK.raw,
  sectors: data.length / SECTOR,
  data,
});
const zlib = (data: Uint8Array): DmgChunkSpec => ({
  type: DMG_CHUNK.zlib,
  sectors: data.length / SECTOR,
  data: deflateSync(data),
});
const zero = (sectors: number): DmgChunkSpec => ({ type: DMG_CHUNK.zero, sectors });

function imageOf(chunks: readonly DmgChunkSpec[], more: Partial<DmgSpec> = {}): Buffer {
  return buildDmg({ tables: [{ chunks }], ...more });
}

/** Plain bytes as ADC has them. */
function adc(data: Uint8Array): Uint8Array {
  const runs: number[] = [];
  for (let at = 0; at < data.length; at += 128) runs.push(0xff, ...data.subarray(at, at + 128));
  return Uint8Array.from(runs);
}

/** And LZFSE. */
function lzfse(data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length);
  return Buffer.concat([Buffer.from('bvx-'), length, data, Buffer.from('bvx$')]);
}

describe('a DMG image', () => {
  it.each([false, true])('reads chunks of several kinds, resource fork %s', (resourceFork) => {
    const sectors = content.length / SECTOR;
    const chunks = [
      { type: DMG_CHUNK.comment, sectors: 0 },
      raw(content),
      zero(3),
      zlib(content),
      { type: DMG_CHUNK.adc, sectors, data: adc(content) },
      { type: DMG_CHUNK.ignore, sectors: 1 },
      { type: DMG_CHUNK.lzfse, sectors, data: lzfse(content) },
    ];
    const expected = Buffer.concat([
      content,
      Buffer.alloc(3 * SECTOR),
      content,
      content,
      Buffer.alloc(SECTOR),
      content,
    ]);
    const image = imageOf(chunks, { resourceFork });
    expect(readAll(image).equals(expected)).toBe(true);
    const disk = open(image);
    const part = new Uint8Array(700);
    disk.readSync(part, 19 * SECTOR - 100);
    expect(Buffer.from(part).equals(expected.subarray(19 * SECTOR - 100).subarray(0, 700))).toBe(
      true,
    );
    const ends = [...disk.blockStatusSync()].map(
      ({ guestOffset, lengthBytes }) => guestOffset + lengthBytes,
    );
    expect(ends.at(-1)).toBe(expected.length);
  });

  it('reads tables in any order, and where their parts begin', () => {
    const tables: DmgTableSpec[] = [
      { name: 'second', firstSector: 8, chunks: [zlib(content)] },
      { name: 'first', firstSector: 0, chunks: [raw(content)] },
    ];
    const image = buildDmg({ tables });
    expect(readAll(image).equals(Buffer.concat([content, content]))).toBe(true);
    expect(open(image).info()[0]!.details).toMatchObject({
      parts: [{ name: 'second' }, { name: 'first' }],
    });
  });

  it('is as large as its trailer says', () => {
    expect(open(imageOf([raw(content)], { sectorCount: 3 })).sizeBytes).toBe(3 * SECTOR);
    expect(open(imageOf([raw(content)], { sectorCount: 0 })).sizeBytes).toBe(8 * SECTOR);
    const long = open(imageOf([raw(content)], { sectorCount: 9 }));
    expect(refusalOf(() => long.readSync(new Uint8Array(9 * SECTOR), 0))).toBe('corrupt dmg.gap');
  });

  it('is recognised by its trailer, at the end, before padding, or at the start', () => {
    const image = imageOf([raw(content)]);
    const probe = (bytes: Uint8Array) =>
      dmgDriver.probe({ head: bytes, tail: bytes, sizeBytes: bytes.length });
    expect(probe(image)).toBe('yes');
    const padded = Buffer.concat([image, Buffer.alloc(511)]);
    expect(probe(padded)).toBe('yes');
    expect(readAll(padded).equals(content)).toBe(true);
    expect(probe(Buffer.concat([image, Buffer.alloc(512)]))).toBe('no');
    expect(probe(image.subarray(-512))).toBe('yes');
    expect(probe(image.subarray(-511))).toBe('no');
    expect(probe(new Uint8Array(0))).toBe('no');
    expect(refusalOf(() => open(content))).toBe('corrupt dmg.no-trailer');
  });

  it.each([
    ['encrcdsa at the start', (file: Buffer) => file.write('encrcdsa', 0, 'latin1')],
    ['cdsaencr at the end', (file: Buffer) => file.write('cdsaencr', file.length - 8, 'latin1')],
  ])('is refused by name when it is encrypted: %s', (_, mark) => {
    const file = Buffer.alloc(4096);
    mark(file);
    expect(dmgDriver.probe({ head: file, tail: file, sizeBytes: file.length })).toBe('yes');
    expect(refusalOf(() => open(file))).toBe('unsupported dmg.encrypted');
  });

  it.each<[string, (trailer: Buffer) => void, string]>([
    ['version', (trailer) => trailer.writeUInt32BE(5, 4), 'unsupported dmg.version'],
    ['trailer size', (trailer) => trailer.writeUInt32BE(513, 8), 'unsupported dmg.version'],
    ['segment count', (trailer) => trailer.writeUInt32BE(1000, 60), 'corrupt dmg.segment-count'],
    ['place of the list', (trailer) => trailer.writeUInt32BE(9, 220), 'corrupt dmg.property-list'],
    [
      'length of the list',
      (trailer) => trailer.writeUInt32BE(0xffff, 228),
      'corrupt dmg.truncated',
    ],
    ['huge place', (trailer) => trailer.writeUInt32BE(0x100, 216), 'corrupt dmg.truncated'],
    ['no tables', (trailer) => trailer.fill(0, 224, 232), 'corrupt dmg.no-tables'],
    ['huge disk', (trailer) => trailer.writeUInt32BE(0x10_0000, 492), 'corrupt dmg.sector-count'],
    [
      'offset above all',
      (trailer) => trailer.writeUInt32BE(0x80_0000, 24),
      'unsupported bytes.integer-above-2^53',
    ],
  ])('is refused for another %s in its trailer', (_, patch, expected) => {
    expect(refusalOf(() => open(imageOf([raw(content)], { patch })))).toBe(expected);
  });

  it.each<[string, (table: Buffer) => void, string]>([
    ['signature', (table) => table.write('mosh'), 'corrupt dmg.table'],
    ['version', (table) => table.writeUInt32BE(2, 4), 'unsupported dmg.table-version'],
    ['count of chunks', (table) => table.writeUInt32BE(3, 200), 'corrupt dmg.table-length'],
    [
      'huge count of chunks',
      (table) => table.writeUInt32BE(0xffff_ffff, 200),
      'corrupt dmg.table-length',
    ],
    [
      'first sector',
      (table) => table.writeUInt32BE(0x20_0000, 8),
      'unsupported bytes.integer-above-2^53',
    ],
    ['far sector', (table) => table.writeUInt32BE(0x1f_ffff, 8), 'corrupt dmg.table-sectors'],
    [
      'chunk of huge length',
      (table) => table.writeUInt32BE(0x1f_ffff, 204 + 16),
      'corrupt dmg.chunk-sectors',
    ],
  ])('is refused for another %s of its table', (_, patch, expected) => {
    for (const resourceFork of [false, true]) {
      const image = buildDmg({ tables: [{ chunks: [raw(content)], patch }], resourceFork });
      expect(refusalOf(() => open(image))).toBe(expected);
    }
  });

  it('is refused when two chunks overlap', () => {
    const chunks = [raw(content), { ...raw(content), firstSector: 7 }];
    expect(refusalOf(() => open(imageOf(chunks)))).toBe('corrupt dmg.chunk-overlap');
  });

  it('is refused when its chunks would take more memory than they may', () => {
    const image = imageOf(Array.from({ length: 100 }, () => zero(1)));
    expect(refusalOf(() => open(image, { metadataCacheBytes: 1000 }))).toBe(
      'limit dmg.chunk-count',
    );
    expect(refusalOf(() => open(image, { maxStructureBytes: 1000 }))).toBe('limit dmg.table-size');
  });

  it.each<[string, DmgChunkSpec, string]>([
    ['of an unknown type', { type: 0x8000_0009, sectors: 2 }, 'unsupported dmg.chunk-type'],
    ['that is short', { ...raw(content), lengthBytes: 9 }, 'corrupt dmg.chunk-length'],
    ['without bytes', { type: DMG_CHUNK.zlib, sectors: 2 }, 'corrupt dmg.chunk-length'],
    ['past the end', { ...zlib(content), offset: 0xffff_ffff }, 'corrupt dmg.chunk-place'],
    [
      'longer than the file',
      { ...zlib(content), lengthBytes: 0xff_ffff },
      'corrupt dmg.chunk-place',
    ],
    ['too large to be decoded', { ...zlib(content), sectors: 0x4000_0000 }, 'limit dmg.chunk-size'],
    ['of too many bytes', { ...zlib(content), lengthBytes: 2 ** 32 }, 'limit dmg.chunk-size'],
    ['that yields too little', { ...zlib(content), sectors: 9 }, 'corrupt codec.deflate-short'],
    [
      'of other bytes',
      { type: DMG_CHUNK.lzma, sectors: 2, data: content },
      'corrupt codec.xz-broken',
    ],
  ])('refuses a chunk %s where it is read, and nothing else', (_, chunk, expected) => {
    const disk = open(
      imageOf([raw(content), chunk, { ...raw(content), firstSector: 2 ** 31 }], { sectorCount: 0 }),
    );
    const first = new Uint8Array(content.length);
    disk.readSync(first, 0);
    expect(Buffer.from(first).equals(content)).toBe(true);
    disk.readSync(first, 2 ** 31 * SECTOR);
    expect(Buffer.from(first).equals(content)).toBe(true);
    expect(refusalOf(() => disk.readSync(new Uint8Array(10), content.length))).toBe(expected);
  });

  it('refuses a gap in the table where it is read', () => {
    const disk = open(
      imageOf([raw(content), { ...raw(content), firstSector: 20 }], { sectorCount: 0 }),
    );
    expect(refusalOf(() => disk.readSync(new Uint8Array(1), 8 * SECTOR))).toBe('corrupt dmg.gap');
    disk.readSync(new Uint8Array(content.length), 20 * SECTOR);
  });

  it('tells chunks apart that lie at one place and have two lengths', () => {
    const half = content.subarray(0, 4 * SECTOR);
    const whole = zlib(content);
    const disk = open(imageOf([whole, { ...whole, sectors: 4, offset: 0 }]));
    const one = new Uint8Array(SECTOR);
    for (const [guestSector, sector] of [
      [7, 7],
      [11, 3],
      [6, 6],
    ] as const) {
      disk.readSync(one, guestSector * SECTOR);
      const from = guestSector < 8 ? content : half;
      expect(Buffer.from(one).equals(from.subarray(sector * SECTOR, (sector + 1) * SECTOR))).toBe(
        true,
      );
    }
  });

  it.each<[string, string]>([
    ['nothing', ' '],
    ['no list', '<?xml version="1.0"?><html/>'],
    ['no end', '<plist><dict><key>resource-fork</key>'],
    ['a value without a key', '<plist><dict><string/></dict></plist>'],
    ['a key without a value', '<plist><dict><key>resource-fork</key></dict></plist>'],
    ['two values', '<plist><dict/><dict/></plist>'],
    ['tags that cross', '<plist><dict><key>a</string></dict></plist>'],
    ['a long tag', `<plist ${'x'.repeat(1000)}><dict/></plist>`],
    ['a long key', `<plist><dict><key>${'x'.repeat(5000)}</key><dict/></dict></plist>`],
    ['deep nesting', `<plist>${'<array>'.repeat(1000)}`],
    ['many values', `<plist><array>${'<true/>'.repeat(100_001)}</array></plist>`],
    [
      'entities',
      '<!DOCTYPE plist [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]><plist><dict/></plist>',
    ],
    ['a comment without end', '<!-- <plist><dict/></plist>'],
  ])('refuses a property list with %s', (_, xml) => {
    const image = imageOf([raw(content)], { xml });
    expect(refusalOf(() => open(image))).toBe('corrupt dmg.property-list');
  });

  it.each<[string, string, string]>([
    ['no fork', '<plist><dict/></plist>', 'corrupt dmg.no-tables'],
    [
      'no tables',
      '<plist><dict><key>resource-fork</key><dict/></dict></plist>',
      'corrupt dmg.no-tables',
    ],
    ['a table that is none', blkx('<string>x</string>'), 'corrupt dmg.no-tables'],
    ['no base64', blkx('<data>bWl*</data>'), 'corrupt dmg.base64'],
    ['half a byte', blkx('<data>bWlza</data>'), 'corrupt dmg.base64'],
    ['an empty table', blkx('<data/>'), 'corrupt dmg.table'],
    ['a short table', blkx('<data>bWlzaA==</data>'), 'corrupt dmg.table'],
  ])('refuses a property list with %s', (_, xml, expected) => {
    expect(refusalOf(() => open(imageOf([raw(content)], { xml })))).toBe(expected);
  });

  it.each<[string, number, number, string]>([
    ['map', 4, 0x7fff_ffff, 'corrupt dmg.resource-fork'],
    ['data', 0, 0x7fff_ffff, 'corrupt dmg.resource-fork'],
    ['nothing', 4, 0, 'corrupt dmg.no-tables'],
  ])('refuses a resource fork that leads to other places: %s', (_, at, value, expected) => {
    const image = imageOf([zero(1)], { resourceFork: true });
    image.writeUInt32BE(value, at);
    expect(refusalOf(() => open(image))).toBe(expected);
  });

  it('is checked against the checksums of its parts, its data and all of them', async () => {
    const crcs = Buffer.alloc(8);
    crcs.writeUInt32BE(crc32(content), 0);
    crcs.writeUInt32BE(crc32(Buffer.concat([content, Buffer.alloc(SECTOR)])), 4);
    const ignored = { type: DMG_CHUNK.ignore, sectors: 2 };
    const tables = [
      { name: 'one', chunks: [zlib(content), ignored], crc32: crcs.readUInt32BE(0) },
      { name: 'two', chunks: [raw(content), zero(1)], crc32: crcs.readUInt32BE(4) },
    ];
    const image = buildDmg({ tables, masterCrc32: crc32(crcs) });
    const report = runSync(check(image));
    expect(report).toMatchObject({ corruptions: 0, allocatedClusters: 16, compressedClusters: 8 });
    expect(await runAsync(check(image))).toEqual(report);

    const wrong = buildDmg({
      tables: [
        { ...tables[0]!, crc32: 1 },
        { ...tables[1]!, chunks: [{ ...zlib(content), lengthBytes: 100 }, zero(1)] },
      ],
      masterCrc32: 5,
      patch: (trailer) => {
        trailer.writeUInt32BE(2, 80);
        trailer.writeUInt32BE(32, 84);
      },
    });
    const { findings, corruptions } = runSync(check(wrong));
    expect(corruptions).toBe(4);
    expect(findings.map(({ detail }) => detail)).toEqual([
      'dmg.part-checksum',
      'codec.deflate-short',
      'dmg.data-checksum',
      'dmg.master-checksum',
    ]);
  });
});

/** A property list with one resource, whose data is given. */
function blkx(data: string): string {
  const resource = `<dict><key>Name</key><string>&lt;x&gt;</string><key>Data</key>${data}</dict>`;
  return `<plist><dict><key>resource-fork</key><dict><key>blkx</key><array>${resource}</array></dict></dict></plist>`;
}
