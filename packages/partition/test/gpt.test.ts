import { readU64le, writeU32le, writeU64le } from '@diskfile/bytes';
import { DEFAULT_LIMITS, MemoryStorage, runAsync, runSync } from '@diskfile/core';
import { buildGptDisk, type GptSpec, repairGptChecksums } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { readPartitionTable } from '../src/index.ts';
import { placesOf, readTable, tableOf, warningsOf } from './support/read-table.ts';

const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const ESP = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const SIZE = 4 * 1024 * 1024;
const LAST = SIZE / 512 - 1;

const esp = {
  number: 1,
  type: ESP,
  uuid: '01234567-89AB-CDEF-0123-456789ABCDEF',
  firstLba: 64,
  lastLba: 127,
};
const root = {
  number: 3,
  type: LINUX,
  uuid: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  firstLba: 128,
  lastLba: 1023,
};

function gpt(spec: Partial<GptSpec> = {}): Uint8Array {
  return buildGptDisk({ sizeBytes: SIZE, partitions: [esp, root], ...spec });
}

/** Changes the header at `headerOffset` and makes its checksums right again. */
function patched(change: (header: Uint8Array) => void, headerOffset = 512): Uint8Array {
  const disk = gpt();
  change(disk.subarray(headerOffset));
  repairGptChecksums(disk, headerOffset, 512);
  return disk;
}

describe('a sound table', () => {
  it('lists partitions by place, with names, GUIDs and attributes', () => {
    const table = tableOf(
      gpt({
        diskGuid: '0A0B0C0D-0102-0304-0506-0708090A0B0C',
        partitions: [
          { ...esp, name: 'ESP', attributes: [0b111, 0x8001_0000] },
          { ...root, name: 'Wurzel 😀 größer' },
        ],
      }),
    );
    expect(table).toMatchObject({
      scheme: 'gpt',
      sectorBytes: 512,
      diskId: '0a0b0c0d-0102-0304-0506-0708090a0b0c',
      warnings: [],
      details: { copy: 'primary', numberOfPartitionEntries: 128, hybridMbr: [] },
    });
    expect(table.partitions).toEqual([
      {
        number: 1,
        startBytes: 64 * 512,
        lengthBytes: 64 * 512,
        type: { id: ESP, name: 'EFI System' },
        name: 'ESP',
        uuid: '01234567-89ab-cdef-0123-456789abcdef',
        bootable: true,
        flags: [
          'RequiredPartition',
          'NoBlockIOProtocol',
          'LegacyBIOSBootable',
          'GUID:48',
          'GUID:63',
        ],
        logical: false,
        extended: false,
      },
      expect.objectContaining({
        number: 3,
        name: 'Wurzel 😀 größer',
        type: { id: LINUX, name: 'Linux filesystem' },
        bootable: false,
        flags: [],
      }),
    ]);
  });

  it('is the same through the asynchronous driver', async () => {
    const disk = new MemoryStorage(gpt());
    const options = { limits: DEFAULT_LIMITS };
    expect(await runAsync(readPartitionTable(disk, options))).toEqual(
      runSync(readPartitionTable(disk, options)),
    );
  });

  it.each([512, 1024, 2048, 4096])('is found with sectors of %s bytes', (sectorBytes) => {
    const disk = gpt({ sectorBytes, partitions: [{ ...esp, firstLba: 100, lastLba: 149 }] });
    for (const given of [undefined, sectorBytes]) {
      const table = tableOf(disk, given);
      expect(table.sectorBytes).toBe(sectorBytes);
      expect(placesOf(table)).toEqual([[1, 100, 50]]);
    }
  });

  it('is not found with sectors of another size', () => {
    expect(() => readTable(gpt(), 4096)).toThrow(
      expect.objectContaining({ code: 'corrupt', detail: 'gpt.no-usable-copy' }),
    );
  });

  it.each([
    [128, 4],
    [136, 20],
    [256, 128],
    [4096, 16],
    [128, 1024],
    [128, 0],
  ])('may have entries of %s bytes, %s of them', (entryBytes, entryCount) => {
    const partitions = entryCount === 0 ? [] : [{ ...esp, firstLba: 2000, lastLba: 2000 }];
    const table = tableOf(gpt({ entryBytes, entryCount, partitions }));
    expect(placesOf(table)).toEqual(partitions.map(() => [1, 2000, 1]));
    expect(table.warnings).toEqual([]);
  });

  it('wins over the other entries of a hybrid MBR, which are listed', () => {
    const mbr = [
      { type: 0x83, startLba: 64, sizeLba: 64, status: 0x80 },
      { type: 0xee, startLba: 1, sizeLba: 63 },
    ];
    const table = tableOf(gpt({ mbr }));
    expect(placesOf(table).map(([number]) => number)).toEqual([1, 3]);
    expect(warningsOf(table)).toEqual(['gpt.hybrid-mbr']);
    expect(table.details['hybridMbr']).toEqual([
      { number: 1, type: '0x83', typeName: 'Linux', startLba: 64, sizeLba: 64, bootable: true },
    ]);
  });

  it('does not count without a protective entry, as in Linux', () => {
    const table = tableOf(gpt({ mbr: [{ type: 0x83, startLba: 10, sizeLba: 20 }] }));
    expect(table.scheme).toBe('mbr');
    expect(placesOf(table)).toEqual([[1, 10, 20]]);
  });
});

describe('entries at fault', () => {
  const withEntry = (entry: Partial<typeof esp>) =>
    tableOf(gpt({ partitions: [{ ...esp, ...entry }, root] }));

  it.each([
    ['ends before it begins', { lastLba: 63 }, 'gpt.entry-invalid', [[3, 128, 896]]],
    [
      'begins beyond the disk',
      { firstLba: LAST + 1, lastLba: LAST + 9 },
      'partition.beyond-disk',
      [[3, 128, 896]],
    ],
    [
      'begins at an impossible sector',
      { firstLba: 2 ** 60, lastLba: 2 ** 61 },
      'gpt.entry-invalid',
      [[3, 128, 896]],
    ],
    [
      'ends beyond the disk',
      { firstLba: 2000, lastLba: 2 ** 50 },
      'partition.cut-off',
      [
        [1, 2000, LAST + 1 - 2000],
        [3, 128, 896],
      ],
    ],
    [
      'overlaps',
      { lastLba: 128 },
      'partition.overlap',
      [
        [1, 64, 65],
        [3, 128, 896],
      ],
    ],
  ])('one that %s', (_, entry, warning, places) => {
    const table = withEntry(entry);
    expect(placesOf(table)).toEqual(places);
    expect(warningsOf(table)).toEqual([warning]);
  });

  it('give no more warnings than anyone would read', () => {
    const partitions = Array.from({ length: 128 }, (_, index) => ({ ...esp, number: index + 1 }));
    const table = tableOf(gpt({ partitions }));
    expect(table.warnings.length).toBe(101);
    expect(table.warnings.at(-1)?.message).toBe('27 further warnings were left out');
  });
});

describe('a damaged primary copy', () => {
  it.each([
    ['signature', (h: Uint8Array) => h.fill(0, 0, 8), 'the signature "EFI PART" is missing'],
    ['checksum', (h: Uint8Array) => h.fill(0, 56, 72), 'the header does not match its checksum'],
    ['header size', (h: Uint8Array) => writeU32le(h, 12, 91), 'HeaderSize is 91'],
    [
      'entries',
      (h: Uint8Array) => h.fill(0xff, 512, 520),
      'the entries do not match their checksum',
    ],
  ])('(%s) is replaced by the backup, with a warning', (_, damage, reason) => {
    const disk = gpt();
    damage(disk.subarray(512));
    const table = tableOf(disk);
    expect(placesOf(table)).toEqual(placesOf(tableOf(gpt())));
    expect(table.details['copy']).toBe('backup');
    expect(table.warnings).toEqual([
      {
        detail: 'gpt.backup-used',
        message: `The primary GPT is damaged (${reason}); the backup is used`,
      },
    ]);
  });

  it.each([
    ['MyLBA', (h: Uint8Array) => writeU64le(h, 24, 2), 'MyLBA is 2'],
    ['the usable range', (h: Uint8Array) => writeU64le(h, 48, 3), 'FirstUsableLBA lies behind'],
    ['an LBA above 2^53', (h: Uint8Array) => writeU64le(h, 40, 2 ** 63), 'above 2^53'],
    ['the place of the entries', (h: Uint8Array) => writeU64le(h, 72, LAST), 'beyond the disk'],
    ['the size of entries', (h: Uint8Array) => writeU32le(h, 84, 64), 'SizeOfPartitionEntry is 64'],
    ['odd entries', (h: Uint8Array) => writeU32le(h, 84, 132), 'SizeOfPartitionEntry is 132'],
    ['the number of entries', (h: Uint8Array) => writeU32le(h, 80, 0xffff_ffff), 'more than 16384'],
  ])('(%s, checksums right) is replaced by the backup', (_, change, reason) => {
    const table = tableOf(patched(change));
    expect(table.details['copy']).toBe('backup');
    expect(table.warnings[0]?.message).toContain(reason);
  });

  it('finds its backup where the primary says, when the disk has grown', () => {
    const disk = new Uint8Array(SIZE * 2);
    disk.set(gpt());
    disk.fill(0, 1024, 1100);
    expect(tableOf(disk).details['copy']).toBe('backup');
  });

  it.each([1024, 2048, 4096])('finds its backup with sectors of %s bytes', (sectorBytes) => {
    const disk = gpt({ sectorBytes, partitions: [{ ...esp, firstLba: 100, lastLba: 149 }] });
    disk.fill(0, sectorBytes, 2 * sectorBytes);
    const table = tableOf(disk);
    expect(table.sectorBytes).toBe(sectorBytes);
    expect(placesOf(table)).toEqual([[1, 100, 50]]);
  });

  it('and no backup is an error that says what is wrong with each', () => {
    const disk = gpt();
    disk.fill(0, 56 + 512, 72 + 512);
    disk.fill(0, LAST * 512, LAST * 512 + 8);
    expect(() => readTable(disk)).toThrow(
      expect.objectContaining({
        code: 'corrupt',
        detail: 'gpt.no-usable-copy',
        message: expect.stringMatching(/primary, the header does not match.*backup, the signature/),
        hint: expect.stringContaining('gdisk'),
        context: expect.objectContaining({ path: 'sparse', offset: 512, format: 'gpt' }),
      }),
    );
  });

  it('on a disk of one sector is an error too', () => {
    expect(() => readTable(gpt().slice(0, 512))).toThrow(
      expect.objectContaining({ detail: 'gpt.no-usable-copy' }),
    );
  });
});

describe('a disk cut short', () => {
  it('keeps what is left, with warnings', () => {
    const table = tableOf(gpt().slice(0, 500 * 512));
    expect(placesOf(table)).toEqual([
      [1, 64, 64],
      [3, 128, 372],
    ]);
    expect(warningsOf(table)).toEqual(['gpt.backup-beyond-disk', 'partition.cut-off']);
  });
});

describe('limits', () => {
  it('bound the partitions that are listed', () => {
    const partitions = Array.from({ length: 2000 }, (_, index) => ({
      ...esp,
      number: index + 1,
      firstLba: 1000 + index,
      lastLba: 1000 + index,
    }));
    const table = tableOf(gpt({ entryCount: 2048, partitions }));
    expect(table.partitions.length).toBe(1024);
    expect(table.warnings).toEqual([
      {
        detail: 'partition.too-many',
        message: 'There are more than 1024 partitions; the last 976 were left out',
      },
    ]);
  });

  it('bound the entries that are read', () => {
    const disk = new MemoryStorage(gpt());
    const limits = { ...DEFAULT_LIMITS, maxStructureBytes: 16_383 };
    expect(() => runSync(readPartitionTable(disk, { limits }))).toThrow(/maxStructureBytes/);
  });

  it('a failing host is not taken for a damaged copy', () => {
    const disk = new MemoryStorage(gpt());
    const failing = {
      name: 'x',
      sizeBytes: disk.sizeBytes,
      synchronous: true,
      read: disk.read.bind(disk),
      readSync: (dst: Uint8Array, offset: number) => {
        if (offset > 0) throw new Error('cable pulled');
        disk.readSync(dst, offset);
      },
    };
    expect(() => readTable(failing)).toThrow('cable pulled');
  });

  it('the test builder writes the backup that the primary names', () => {
    expect(readU64le(gpt(), 512 + 32, 'AlternateLBA')).toBe(LAST);
  });
});
