import { buildBootRecord, writeLogicalChain } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { placesOf, readTable, tableOf, warningsOf } from './support/read-table.ts';
import { SparseSource } from './support/sparse-source.ts';

const SECTORS = 4096;

function disk(...sectors: [lba: number, bytes: Uint8Array][]): Uint8Array {
  const bytes = new Uint8Array(SECTORS * 512);
  for (const [lba, sector] of sectors) bytes.set(sector, lba * 512);
  return bytes;
}

const linux = (startLba: number, sizeLba: number) => ({ type: 0x83, startLba, sizeLba });
const extended = (startLba: number, sizeLba: number) => ({ type: 0x05, startLba, sizeLba });

describe('primary partitions', () => {
  it('are numbered by place, with type, PARTUUID and boot flag', () => {
    const record = buildBootRecord(
      [
        undefined,
        { ...linux(64, 100), status: 0x80 },
        undefined,
        { ...linux(200, 50), type: 0x07 },
      ],
      0x00c0ffee,
    );
    const table = tableOf(disk([0, record]));
    expect(table).toMatchObject({ scheme: 'mbr', sectorBytes: 512, diskId: '00c0ffee' });
    expect(table.partitions).toEqual([
      {
        number: 2,
        startBytes: 64 * 512,
        lengthBytes: 100 * 512,
        type: { id: '0x83', name: 'Linux' },
        name: '',
        uuid: '00c0ffee-02',
        bootable: true,
        flags: [],
        logical: false,
        extended: false,
      },
      expect.objectContaining({
        number: 4,
        type: { id: '0x07', name: 'HPFS/NTFS/exFAT' },
        uuid: '00c0ffee-04',
        bootable: false,
      }),
    ]);
    expect(table.warnings).toEqual([]);
  });

  it('have no PARTUUID without a disk signature, and an unknown type is said to be unknown', () => {
    const table = tableOf(disk([0, buildBootRecord([{ ...linux(1, 9), type: 0xcc }])]));
    expect(table.diskId).toBe('');
    expect(table.partitions[0]).toMatchObject({ uuid: '', type: { id: '0xcc', name: 'unknown' } });
  });

  it('may be none', () => {
    expect(tableOf(disk([0, buildBootRecord([], 7)])).partitions).toEqual([]);
  });

  it('count in the sectors of the disk, beyond 32 bits of bytes', () => {
    const record = buildBootRecord([linux(0xf000_0000, 0x0fff_ffff)]);
    const source = new SparseSource(2 ** 44, [{ offset: 0, bytes: record }]);
    expect(tableOf(source, 4096).partitions[0]).toMatchObject({
      startBytes: 0xf000_0000 * 4096,
      lengthBytes: 0x0fff_ffff * 4096,
    });
  });

  it('that leave the disk are cut off or left out, and keep their numbers', () => {
    const table = tableOf(
      disk([0, buildBootRecord([linux(SECTORS, 1), linux(4000, 97), linux(1, 10)])]),
    );
    expect(placesOf(table)).toEqual([
      [2, 4000, 96],
      [3, 1, 10],
    ]);
    expect(warningsOf(table)).toEqual(['partition.beyond-disk', 'partition.cut-off']);
  });

  it('that overlap are listed with a warning', () => {
    const table = tableOf(
      disk([0, buildBootRecord([linux(100, 100), linux(50, 200), linux(250, 10)])]),
    );
    expect(placesOf(table).length).toBe(3);
    expect(table.warnings.map(({ message }) => message)).toEqual(['Partitions 2 and 1 overlap']);
  });
});

describe('logical partitions', () => {
  const mbr = buildBootRecord([linux(1, 99), undefined, extended(100, 3900)], 0xa);

  it('are numbered from 5 in the order of the chain, whatever the order on the disk', () => {
    const bytes = disk([0, mbr]);
    writeLogicalChain(bytes, 100, [
      { ...linux(101, 50), recordLba: 100 },
      { ...linux(2001, 60), recordLba: 2000 },
      { ...linux(1001, 70), recordLba: 1000 },
    ]);
    const table = tableOf(bytes);
    expect(placesOf(table)).toEqual([
      [1, 1, 99],
      [3, 100, 3900],
      [5, 101, 50],
      [6, 2001, 60],
      [7, 1001, 70],
    ]);
    expect(table.partitions.map((p) => [p.logical, p.extended])).toEqual([
      [false, false],
      [false, true],
      [true, false],
      [true, false],
      [true, false],
    ]);
    expect(table.partitions.at(-1)?.uuid).toBe('0000000a-07');
    expect(table.warnings).toEqual([]);
  });

  it('number sixteen and more have hexadecimal PARTUUIDs', () => {
    const bytes = disk([0, mbr]);
    const logicals = Array.from({ length: 60 }, (_, index) => ({
      ...linux(101 + 20 * index, 18),
      recordLba: 100 + 20 * index,
    }));
    writeLogicalChain(bytes, 100, logicals);
    const table = tableOf(bytes);
    expect(table.partitions.length).toBe(62);
    expect(table.partitions.at(-1)).toMatchObject({ number: 64, uuid: '0000000a-40' });
  });

  it('are numbered past links that hold no partition', () => {
    const bytes = disk(
      [0, mbr],
      [100, buildBootRecord([undefined, extended(400, 100)])],
      [500, buildBootRecord([linux(2, 20)])],
    );
    expect(placesOf(tableOf(bytes)).slice(2)).toEqual([[5, 502, 20]]);
  });

  it.each([0x05, 0x0f, 0x85])('are found in an extended partition of type 0x%s', (type) => {
    const record = buildBootRecord([{ ...extended(100, 500), type }]);
    const bytes = disk([0, record], [100, buildBootRecord([linux(1, 20)])]);
    expect(placesOf(tableOf(bytes))[1]).toEqual([5, 101, 20]);
  });

  it('are taken from several extended partitions in turn', () => {
    const bytes = disk(
      [0, buildBootRecord([extended(2000, 500), extended(100, 500)])],
      [100, buildBootRecord([linux(1, 20)])],
      [2000, buildBootRecord([linux(1, 30)])],
    );
    expect(placesOf(tableOf(bytes)).slice(2)).toEqual([
      [5, 2001, 30],
      [6, 101, 20],
    ]);
  });

  it('in the third and fourth entry count only where they fit', () => {
    const entries = [linux(1, 20), undefined, linux(30, 20), linux(0x7777_7777, 0x6666_6666)];
    const bytes = disk([0, mbr], [100, buildBootRecord(entries)]);
    expect(placesOf(tableOf(bytes)).slice(2)).toEqual([
      [5, 101, 20],
      [6, 130, 20],
    ]);
  });

  it('end where the chain comes back to itself', () => {
    const bytes = disk(
      [0, mbr],
      [100, buildBootRecord([linux(1, 20), extended(400, 100)])],
      [500, buildBootRecord([linux(1, 20), extended(0, 100)])],
    );
    const table = tableOf(bytes);
    expect(placesOf(table).slice(2)).toEqual([
      [5, 101, 20],
      [6, 501, 20],
    ]);
    expect(warningsOf(table)).toEqual(['mbr.chain-loop']);
  });

  it.each([
    ['a link to a sector without a boot record', extended(400, 100), 'mbr.chain-broken'],
    ['a link beyond the disk', extended(0xffff_0000, 100), 'mbr.chain-beyond-disk'],
  ])('end at %s', (_, link, warning) => {
    const table = tableOf(disk([0, mbr], [100, buildBootRecord([linux(1, 20), link])]));
    expect(placesOf(table).slice(2)).toEqual([[5, 101, 20]]);
    expect(warningsOf(table)).toEqual([warning]);
  });

  it('end with the numbers that Linux has', () => {
    const bytes = disk([0, mbr]);
    const logicals = Array.from({ length: 400 }, (_, index) => ({
      ...linux(101 + 4 * index, 2),
      recordLba: 100 + 4 * index,
    }));
    writeLogicalChain(bytes, 100, logicals);
    const table = tableOf(bytes);
    expect(table.partitions.at(-1)?.number).toBe(255);
    expect(warningsOf(table)).toEqual(['mbr.chain-too-long']);
  });

  it('end when links hold no partitions for too long', () => {
    const bytes = disk([0, mbr]);
    for (let lba = 100; lba < 2000; lba++) {
      bytes.set(buildBootRecord([undefined, extended(lba - 99, 1)]), lba * 512);
    }
    const table = tableOf(bytes);
    expect(placesOf(table).length).toBe(2);
    expect(warningsOf(table)).toEqual(['mbr.chain-too-long']);
  });

  it('that reach out of the extended partition are listed with a warning', () => {
    const bytes = disk(
      [0, buildBootRecord([extended(100, 50)])],
      [100, buildBootRecord([linux(1, 80)])],
    );
    const table = tableOf(bytes);
    expect(placesOf(table)[1]).toEqual([5, 101, 80]);
    expect(warningsOf(table)).toEqual(['mbr.logical-outside']);
  });
});

describe('what is no MBR', () => {
  const fat = (entries: Parameters<typeof buildBootRecord>[0]) => {
    const sector = buildBootRecord(entries);
    sector.set([0xeb, 0x3c, 0x90], 0);
    sector.set([0x00, 0x02, 4, 1, 0, 2, 0, 2, 0, 0, 0xf8], 11);
    return sector;
  };
  const named = (name: string) => {
    const sector = buildBootRecord([]);
    sector.set(new TextEncoder().encode(name), 3);
    return sector;
  };
  const extSuperblock = () => {
    const block = new Uint8Array(1024);
    block.set([16, 0, 0, 0], 0);
    block.set([0x53, 0xef], 56);
    return block;
  };

  it.each([
    ['zeros', disk()],
    ['less than a sector', new Uint8Array(511)],
    ['an empty disk', new Uint8Array(0)],
    [
      'a boot indicator other than 0x00 and 0x80',
      disk([0, buildBootRecord([{ ...linux(1, 9), status: 1 }])]),
    ],
    [
      'a bad boot indicator in an unused entry',
      disk([0, buildBootRecord([linux(1, 9), { status: 0x20, type: 0, startLba: 0, sizeLba: 0 }])]),
    ],
    ['a FAT boot sector', disk([0, fat([])])],
    ['a FAT boot sector with leftovers', disk([0, fat([linux(0, 9)])])],
    ['an NTFS boot sector', disk([0, named('NTFS    ')])],
    ['an exFAT boot sector', disk([0, named('EXFAT   ')])],
    ['ext4 behind an empty table', disk([0, buildBootRecord([])], [2, extSuperblock()])],
    [
      'ext4 behind a table that does not fit',
      disk([0, buildBootRecord([linux(1, SECTORS)])], [2, extSuperblock()]),
    ],
  ])('%s', (_, bytes) => {
    expect(readTable(bytes)).toBeUndefined();
  });

  it('a filesystem does not hide a flawless table', () => {
    expect(placesOf(tableOf(disk([0, fat([linux(1, 9), linux(10, 9)])])))).toEqual([
      [1, 1, 9],
      [2, 10, 9],
    ]);
  });

  it.each([0, 256, 1000, 131_072, -512, 512.5])('refuses sectors of %s bytes', (sectorBytes) => {
    expect(() => readTable(disk(), sectorBytes)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', detail: 'partition.sector-size' }),
    );
  });
});
