import { describe, expect, it } from 'vitest';
import { writeU32le } from '@diskfile/bytes';
import { decoders } from '@diskfile/codec';
import { type CheckReport, DEFAULT_LIMITS, runSync } from '@diskfile/core';
import { detailOf } from '@diskfile/testkit';
import { vmdkDriver } from '../src/index.ts';
import { Folder } from './support/disks.ts';

const MIB = 1024 * 1024;
const GRAIN = 64 * 1024;
const SECTOR = 512;
/** Of a disk with two tables, as it is laid out here. */
const DIRECTORY = 30 * SECTOR;
const TABLE = 31 * SECTOR;
/** The directory of the copies of both. */
const COPIES = 21 * SECTOR;

function check(folder: Folder, name = 'disk.vmdk'): CheckReport {
  return runSync(
    vmdkDriver.check!({
      storage: folder.files.get(name)!,
      limits: DEFAULT_LIMITS,
      decoders: decoders(),
      makeHash: () => {
        throw new Error('VMDK disks note no hash');
      },
      repair: undefined,
      warn: () => {},
      openNamed: (file) =>
        folder.gate.open({ file, namedBy: folder.files.get(name)!, writable: false }),
      onProgress: () => {},
    }),
  );
}

/** Three grains in the first table, one in the second. */
function disk(options = {}): Folder {
  const folder = new Folder();
  folder.create('disk.vmdk', 40 * MIB, options);
  const opened = folder.open('disk.vmdk');
  for (const grain of [0, 1, 5, 520]) {
    opened.writeSync(new Uint8Array(GRAIN).fill(grain + 1), grain * GRAIN);
  }
  opened.closeSync();
  return folder;
}

function poke(folder: Folder, at: number, value: number): void {
  const field = new Uint8Array(4);
  writeU32le(field, 0, value);
  folder.files.get('disk.vmdk')!.writeSync(field, at);
}

describe('a check', () => {
  it.each(['monolithicSparse', 'streamOptimized', 'twoGbMaxExtentSparse', 'monolithicFlat'])(
    'finds nothing wrong in a good disk: %s',
    (subformat) => {
      const report = check(disk({ subformat }));
      expect(report).toMatchObject({ format: 'vmdk', checkErrors: 0, corruptions: 0, leaks: 0 });
      expect(report.findings).toEqual([]);
    },
  );

  it.each([
    ['beyond the file', TABLE, 90_000, 'vmdk.grain-beyond-file', 0],
    ['at its end', TABLE + 4, (128 * 1024 + 4 * GRAIN) / SECTOR, 'vmdk.grain-beyond-file', GRAIN],
    ['in the header', TABLE + 8, 1, 'vmdk.grain-in-metadata', 2 * GRAIN],
    ['in the tables', TABLE + 8, 35, 'vmdk.grain-in-metadata', 2 * GRAIN],
    ['at another grain', TABLE + 12, 256, 'vmdk.grain-twice', 3 * GRAIN],
    ['across two others', TABLE + 12, 300, 'vmdk.grain-twice', undefined],
  ])('finds a grain %s', (_, at, sector, detail, guestOffset) => {
    const folder = disk();
    poke(folder, at, sector);
    const report = check(folder);
    const isBeyond = detail === 'vmdk.grain-beyond-file';
    expect([report.checkErrors, report.corruptions]).toEqual(isBeyond ? [1, 0] : [0, 1]);
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]).toMatchObject({ kind: 'error', detail, repaired: false });
    expect(report.findings[0]!.guestOffset).toBe(guestOffset);
    // Nothing is written to such a disk.
    if (!isBeyond) expect(detailOf(() => folder.open('disk.vmdk'))).toBe(detail);
    else expect(detailOf(() => folder.read('disk.vmdk'))).toBe(detail);
  });

  it('finds tables that are missing or used twice', () => {
    const folder = disk();
    poke(folder, DIRECTORY + 4, 80_000);
    expect(check(folder).findings[0]).toMatchObject({
      detail: 'vmdk.table-beyond-file',
      guestOffset: 512 * GRAIN,
    });
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe('vmdk.table-beyond-file');
    poke(folder, DIRECTORY + 4, TABLE / SECTOR);
    expect(check(folder).findings.map(({ detail }) => detail)).toEqual(['vmdk.table-twice']);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.table-twice');
  });

  it.each([
    ['across the first one', DIRECTORY + 4, TABLE / SECTOR + 1],
    ['across its copy', DIRECTORY + 4, 22 + 2],
    ['beyond the file', COPIES + 4, 0x8000_0000 / SECTOR, 'vmdk.table-beyond-file'],
    ['at the descriptor', COPIES + 4, 5],
    ['at a directory', COPIES, 30],
    ['at a grain', COPIES, 256],
    ['at the end of a grain', COPIES, 383],
  ])(
    'keeps a disk from being written whose table lies %s',
    (_, at, sector, detail = 'vmdk.table-place') => {
      const folder = disk();
      poke(folder, at, sector);
      const before = folder.bytes('disk.vmdk').slice();
      expect(detailOf(() => folder.open('disk.vmdk'))).toBe(detail);
      expect(Buffer.compare(folder.bytes('disk.vmdk'), before)).toBe(0);
    },
  );

  it('finds that a flat extent has nothing', () => {
    const folder = disk({ subformat: 'monolithicFlat' });
    folder.put('disk-flat.vmdk');
    expect(check(folder).checkErrors).toBe(1);
  });

  it('refuses what is too short for its tables', () => {
    const folder = disk();
    folder.put('disk.vmdk', folder.bytes('disk.vmdk').slice(0, 40 * SECTOR));
    expect(detailOf(() => check(folder))).toBe('vmdk.truncated');
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe('vmdk.truncated');
  });
});
