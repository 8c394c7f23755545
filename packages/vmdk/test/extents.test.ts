import { describe, expect, it } from 'vitest';
import { writeU32le } from '@diskfile/bytes';
import { detailOf } from '@diskfile/testkit';
import { Folder, noise } from './support/disks.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTOR = 512;

function descriptor(
  lines: readonly string[],
  more: readonly string[] = [],
): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    [
      '# Disk DescriptorFile',
      'version=1',
      'CID=00000123',
      'parentCID=ffffffff',
      'createType="custom"',
      ...lines,
      ...more,
    ].join('\n'),
  );
}

function folderOf(lines: readonly string[]): Folder {
  const folder = new Folder();
  folder.put('disk.vmdk', descriptor(lines));
  return folder;
}

describe('a descriptor', () => {
  it('puts extents of every kind one behind the other', () => {
    const folder = folderOf([
      'RW 4 FLAT "a.bin" 2',
      'RW 3 ZERO',
      'RW 128 SPARSE "part.vmdk"',
      'rw 9 FLAT "not a line"',
      'RW 2 VMFS "a.bin"',
    ]);
    const flat = noise(10 * SECTOR);
    folder.put('a.bin', flat);
    folder.create('part.vmdk', MIB);
    const part = folder.open('part.vmdk');
    part.writeSync(new Uint8Array(64 * KIB).fill(6), 0);
    part.closeSync();
    const expected = new Uint8Array((4 + 3 + 128 + 2) * SECTOR);
    expected.set(flat.subarray(2 * SECTOR, 6 * SECTOR));
    expected.fill(6, 7 * SECTOR, 135 * SECTOR);
    expected.set(flat.subarray(0, 2 * SECTOR), 135 * SECTOR);
    expect(Buffer.compare(folder.read('disk.vmdk'), expected)).toBe(0);
  });

  it('is read around what is not to be read', () => {
    const folder = folderOf([
      'RW 2 FLAT "a.bin" 0',
      'NOACCESS 3 FLAT "none"',
      'RW 1 FLAT "a.bin" 9',
    ]);
    const flat = noise(10 * SECTOR);
    folder.put('a.bin', flat);
    const disk = folder.open('disk.vmdk', { writable: false });
    expect(disk.sizeBytes).toBe(6 * SECTOR);
    const sector = new Uint8Array(SECTOR);
    disk.readSync(sector, 5 * SECTOR);
    expect(Buffer.compare(sector, flat.subarray(9 * SECTOR))).toBe(0);
    expect(detailOf(() => disk.readSync(sector, 2 * SECTOR))).toBe('vmdk.no-access');
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.not-writable');
  });

  it('may name one file in thousands of lines, and it is opened once', () => {
    const lines = Array.from({ length: 5000 }, (_, index) => `RW 1 FLAT "a.bin" ${index % 10}`);
    const folder = folderOf(lines);
    folder.put('a.bin', noise(10 * SECTOR));
    expect(folder.read('disk.vmdk').length).toBe(5000 * SECTOR);
    expect(folder.opened.filter((name) => name === 'a.bin')).toHaveLength(1);
  });

  it.each([
    ['no extents', [], 'vmdk.no-extents'],
    ['an extent without a name', ['RW 1 FLAT'], 'vmdk.extent-name'],
    ['a device', ['RW 1 PHYSDRIVE "a.bin"'], 'vmdk.extent-type'],
    ['an extent that is not to be read', ['NOACCESS 1 FLAT "a.bin"'], 'vmdk.no-access'],
    ['an extent as long as no disk', ['RW 9999999999999999 FLAT "a.bin" 0'], 'vmdk.extent-size'],
    ['more than its part holds', ['RW 4096 SPARSE "part.vmdk"'], 'vmdk.extent-too-small'],
    ['what is no sparse extent', ['RW 1 SPARSE "a.bin"'], 'vmdk.sparse-magic'],
    ['a file that is not there', ['RW 1 FLAT "b.bin" 0'], 'test.no-file'],
    ['too many extents', Array.from({ length: 40_000 }, () => 'RW 1 ZERO'), 'vmdk.extent-count'],
  ])('with %s is refused', (_, lines, detail) => {
    const folder = folderOf(lines);
    folder.put('a.bin', noise(10 * SECTOR));
    folder.create('part.vmdk', MIB);
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe(detail);
  });

  it('does not let two extents allocate in one file', () => {
    const folder = folderOf(['RW 128 SPARSE "part.vmdk"', 'RW 128 SPARSE "part.vmdk"']);
    folder.create('part.vmdk', MIB);
    expect(folder.read('disk.vmdk').length).toBe(256 * SECTOR);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.extent-twice');
  });

  it('is not longer than anybody writes', () => {
    const folder = new Folder();
    const long = new Uint8Array(5 * MIB).fill(0x20);
    long.set(descriptor(['RW 1 ZERO', '']));
    folder.put('disk.vmdk', long);
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe('vmdk.descriptor-size');
  });
});

describe('tables of all extents together', () => {
  it('are bounded', () => {
    const sectors = 4096 * 1024 * 128;
    const folder = folderOf(
      Array.from({ length: 20_000 }, () => `RW ${sectors} SPARSE "part.vmdk"`),
    );
    // A directory of 32 KiB each.
    folder.create('part.vmdk', sectors * SECTOR);
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe('vmdk.directory-size');
  });
});

describe('grains', () => {
  it('may lie out of line with each other, and no two in one place', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', MIB);
    const disk = folder.open('disk.vmdk');
    for (const grain of [0, 1, 2]) {
      disk.writeSync(new Uint8Array(64 * KIB).fill(grain + 1), grain * 64 * KIB);
    }
    disk.closeSync();
    const storage = folder.files.get('disk.vmdk')!;
    const table = 27 * SECTOR;
    const place = (grain: number, sector: number) => {
      const entry = new Uint8Array(4);
      writeU32le(entry, 0, sector);
      storage.writeSync(entry, table + grain * 4);
    };
    storage.writeSync(new Uint8Array(64 * KIB).fill(9), 600 * SECTOR);
    place(2, 600);
    const again = folder.open('disk.vmdk');
    again.writeSync(Uint8Array.of(7), 3 * 64 * KIB);
    again.closeSync();
    const firsts = folder.read('disk.vmdk').filter((_, at) => at % (64 * KIB) === 0);
    expect([...firsts].slice(0, 5)).toEqual([1, 2, 9, 7, 0]);
    for (const sector of [300, 130, 383]) {
      place(2, sector);
      expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.grain-twice');
    }
  });

  it('that were never linked are not taken for zeros', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', MIB);
    const storage = folder.files.get('disk.vmdk')!;
    // What a write has left that was not flushed before the power went.
    storage.writeSync(new Uint8Array(64 * KIB).fill(0xee), storage.sizeBytes);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(Uint8Array.of(1), 0);
    disk.closeSync();
    const bytes = folder.read('disk.vmdk');
    expect(bytes[0]).toBe(1);
    expect(bytes.subarray(1).every((byte) => byte === 0)).toBe(true);
  });
});
