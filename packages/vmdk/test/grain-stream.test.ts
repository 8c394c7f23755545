import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type DiskError, readU32le, writeU32le } from '@diskfile/bytes';
import { detailOf } from '@diskfile/testkit';
import { Folder, noise } from './support/disks.ts';

const GRAIN = 64 * 1024;
const SECTOR = 512;
const STREAM = { subformat: 'streamOptimized' };

function streamOf(grains: number, rest = 0): Folder {
  const folder = new Folder();
  folder.create('disk.vmdk', grains * GRAIN + rest, STREAM);
  return folder;
}

/** Grains from marker to marker, as readers without random access see them. */
function* grainsOf(file: Uint8Array): Generator<[sector: number, bytes: Uint8Array]> {
  for (let at = GRAIN; ;) {
    const lengthBytes = readU32le(file, at + 8);
    if (lengthBytes === 0) return;
    yield [
      Number(Buffer.from(file.buffer, file.byteOffset).readBigUInt64LE(at)),
      inflateSync(file.subarray(at + 12, at + 12 + lengthBytes)),
    ];
    at = Math.ceil((at + 12 + lengthBytes) / SECTOR) * SECTOR;
  }
}

describe('writing a stream', () => {
  it('compresses grains in the order of writing, and ends with a marker', () => {
    const folder = streamOf(9, 1024);
    const disk = folder.open('disk.vmdk');
    expect(disk.capabilities.compression).toMatchObject({ unitBytes: GRAIN, isOnlyForm: true });
    const source = new Uint8Array(disk.sizeBytes);
    source.set(noise(GRAIN), 4 * GRAIN);
    source.fill(7, 5 * GRAIN, 7 * GRAIN + 1);
    source.fill(9, 9 * GRAIN);
    disk.writeSync(source.subarray(4 * GRAIN, 8 * GRAIN), 4 * GRAIN);
    disk.capabilities.compression!.writeSync(source.subarray(9 * GRAIN), 9 * GRAIN);
    disk.writeSync(source.subarray(0, GRAIN), 0);
    disk.closeSync();
    expect(Buffer.compare(folder.read('disk.vmdk'), source)).toBe(0);
    const grains = [...grainsOf(folder.bytes('disk.vmdk'))];
    expect(grains.map(([sector, bytes]) => [sector / 128, bytes.length])).toEqual([
      [4, GRAIN],
      [5, GRAIN],
      [6, GRAIN],
      [7, GRAIN],
      [9, 1024],
      [0, GRAIN],
    ]);
    for (const [sector, bytes] of grains) {
      const there = source.subarray(sector * SECTOR, sector * SECTOR + bytes.length);
      expect(Buffer.compare(there, bytes)).toBe(0);
    }
  });

  it('with a footer takes grains in order, before and after a flush', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', 700 * GRAIN + 1024, { ...STREAM, footer: 'on' });
    expect(folder.read('disk.vmdk').every((byte) => byte === 0)).toBe(true);
    const source = new Uint8Array(700 * GRAIN + 1024);
    const disk = folder.open('disk.vmdk');
    const write = (grain: number, bytes: Uint8Array) => {
      source.set(bytes, grain * GRAIN);
      disk.writeSync(bytes, grain * GRAIN);
    };
    write(2, noise(2 * GRAIN));
    disk.flushSync();
    expect(Buffer.compare(folder.read('disk.vmdk'), source)).toBe(0);
    // The second table begins with grain 512.
    write(511, new Uint8Array(3 * GRAIN).fill(7));
    write(700, new Uint8Array(1024).fill(9));
    expect(detailOf(() => disk.writeSync(noise(GRAIN), 600 * GRAIN))).toBe('vmdk.grain-order');
    disk.closeSync();
    expect(Buffer.compare(folder.read('disk.vmdk'), source)).toBe(0);
    const grains = [...grainsOf(folder.bytes('disk.vmdk'))].map(([sector]) => sector / 128);
    expect(grains).toEqual([2, 3, 511, 512, 513, 700]);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.not-writable');
  });

  it('has a footer only where it is a stream', () => {
    const folder = new Folder();
    expect(detailOf(() => folder.create('a.vmdk', GRAIN, { footer: 'on' }))).toBe('vmdk.footer');
  });

  it('is not read with grains that are too large to be decoded whole', () => {
    const folder = streamOf(2);
    const { bytes } = folder.files.get('disk.vmdk')!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(20, 16 * 1024 * 2, true);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.compressed-grain-size');
  });

  it('goes on where it was closed, behind all that the file has', async () => {
    const folder = streamOf(6);
    for (const grain of [1, 4, 2]) {
      const disk = folder.open('disk.vmdk');
      await disk.write(new Uint8Array(GRAIN).fill(grain), grain * GRAIN);
      await disk.close();
    }
    const firsts = folder.read('disk.vmdk').filter((_, at) => at % GRAIN === 100);
    expect([...firsts]).toEqual([0, 1, 2, 0, 4, 0]);
  });

  it('refuses parts of grains, and what was written before', () => {
    const folder = streamOf(6);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(new Uint8Array(GRAIN).fill(1), GRAIN);
    const grains = new Uint8Array(2 * GRAIN);
    expect(detailOf(() => disk.writeSync(grains.subarray(1), 0))).toBe('disk.compressed-range');
    expect(detailOf(() => disk.writeSync(grains, GRAIN))).toBe('vmdk.grain-written');
    expect(detailOf(() => disk.writeZeroesSync(GRAIN, GRAIN))).toBe('vmdk.grain-written');
    expect(detailOf(() => disk.writeZeroesSync(GRAIN + 512, 512))).toBe('disk.compressed-range');
    // The grain before the refused one is there; zeros where nothing was need no grain.
    disk.writeZeroesSync(3 * GRAIN + 512, GRAIN);
    disk.discardSync(GRAIN, GRAIN);
    disk.closeSync();
    expect([...grainsOf(folder.bytes('disk.vmdk'))].map(([sector]) => sector)).toEqual([128]);
    expect(folder.read('disk.vmdk')[GRAIN]).toBe(1);
  });

  it('takes a batch, and reads what it has just written', () => {
    const folder = streamOf(6);
    const disk = folder.open('disk.vmdk');
    const there = new Uint8Array(GRAIN);
    const results = disk.submitBatchSync([
      { op: 'write', guestOffset: 2 * GRAIN, buffer: new Uint8Array(GRAIN).fill(3) },
      { op: 'write', guestOffset: 0, buffer: new Uint8Array(512) },
      { op: 'writeZeroes', guestOffset: 5 * GRAIN, lengthBytes: 100 },
      { op: 'read', guestOffset: 2 * GRAIN, buffer: there },
    ]);
    expect(results.map(({ error }) => (error as DiskError | undefined)?.detail)).toEqual([
      undefined,
      'disk.compressed-range',
      undefined,
      undefined,
    ]);
    expect(there.every((byte) => byte === 3)).toBe(true);
    const [status] = disk.blockStatusSync(2 * GRAIN, GRAIN);
    expect(status).toMatchObject({ data: true, compressed: true, lengthBytes: GRAIN });
    disk.closeSync();
  });

  it('covers with zeros what an image below would show', () => {
    const folder = new Folder();
    folder.create('base.vmdk', 4 * GRAIN);
    const base = folder.open('base.vmdk');
    base.writeSync(new Uint8Array(4 * GRAIN).fill(8), 0);
    base.closeSync();
    folder.create('disk.vmdk', 4 * GRAIN, STREAM, 'base.vmdk');
    const disk = folder.open('disk.vmdk');
    expect(detailOf(() => disk.writeZeroesSync(0, 512))).toBe('disk.compressed-range');
    disk.writeZeroesSync(GRAIN, 2 * GRAIN);
    disk.closeSync();
    const firsts = folder.read('disk.vmdk').filter((_, at) => at % GRAIN === 100);
    expect([...firsts]).toEqual([8, 0, 0, 8]);
  });
});

describe('a stream that ends in a footer', () => {
  it('is only read', () => {
    const folder = streamOf(2);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(new Uint8Array(GRAIN).fill(5), GRAIN);
    disk.closeSync();
    const file = folder.bytes('disk.vmdk');
    const ended = new Uint8Array(file.length + 3 * SECTOR);
    ended.set(file);
    const marker = file.length;
    ended[marker] = 1;
    writeU32le(ended, marker + 12, 3);
    ended.set(file.subarray(0, SECTOR), marker + SECTOR);
    ended.fill(0xff, 56, 64);
    folder.put('disk.vmdk', ended);
    expect(folder.read('disk.vmdk')[GRAIN]).toBe(5);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.not-writable');
  });
});
