/** Every table compared with what sfdisk and partx say about it. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS, runSync } from '@diskfile/core';
import { openFileStorage } from '@diskfile/storage';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  GPT_TYPE_NAMES,
  MBR_TYPE_NAMES,
  type PartitionTable,
  readPartitionTable,
} from '../src/index.ts';
import { type Layout, LAYOUTS, simpleGpt } from './support/layouts.ts';
import {
  type ListedTable,
  missingTools,
  partxLines,
  type PartxLine,
  run,
  sfdiskTable,
} from './support/tools.ts';

const missing = missingTools(['sfdisk', 'fdisk', 'partx', 'sgdisk', 'parted']);
const MIB = 1024 * 1024;

let directory: string;
let image: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskfile-partition-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(({ skip }) => {
  skip(missing.length > 0, `not installed: ${missing.join(', ')} (packages fdisk, gdisk, parted)`);
  image = join(directory, 'disk.img');
  rmSync(image, { force: true });
});

function make(layout: Layout): void {
  writeFileSync(image, '');
  truncateSync(image, layout.sizeMiB * MIB);
  layout.make(image);
}

function readImage(sectorBytes?: number): PartitionTable {
  const storage = runSync(openFileStorage(image));
  try {
    const table = runSync(readPartitionTable(storage, { sectorBytes, limits: DEFAULT_LIMITS }));
    expect(table).toBeDefined();
    return table!;
  } finally {
    storage.closeSync();
  }
}

/** Our table in the words of sfdisk. */
function asListed(table: PartitionTable): ListedTable {
  const isGpt = table.scheme === 'gpt';
  return {
    scheme: table.scheme,
    id: table.diskId === '' ? '00000000' : table.diskId,
    partitions: table.partitions.map((partition) => ({
      number: partition.number,
      start: partition.startBytes / table.sectorBytes,
      size: partition.lengthBytes / table.sectorBytes,
      type: isGpt ? partition.type.id.toLowerCase() : partition.type.id.replace(/^0x0?/, ''),
      uuid: isGpt ? partition.uuid : undefined,
      name: partition.name,
      attributes: partition.flags,
      bootable: isGpt ? false : partition.bootable,
    })),
  };
}

function asPartxLines(table: PartitionTable): PartxLine[] {
  return table.partitions.map(({ number, startBytes, lengthBytes, uuid }) => [
    number,
    startBytes / 512,
    lengthBytes / 512,
    uuid,
  ]);
}

describe('tables that genuine tools made', () => {
  it('are of at least thirty kinds', () => {
    expect(LAYOUTS.length).toBeGreaterThanOrEqual(30);
  });

  it.each(LAYOUTS.filter(({ sectorBytes }) => sectorBytes === undefined))(
    '$name: as sfdisk lists it',
    (layout) => {
      make(layout);
      const table = readImage();
      expect(asListed(table)).toEqual(sfdiskTable(image));
      // sfdisk does not print the PARTUUIDs of an MBR.
      if (table.scheme === 'mbr') expect(asPartxLines(table)).toEqual(partxLines(image, 512));
    },
  );

  it.each(LAYOUTS.filter(({ sectorBytes }) => sectorBytes !== undefined))(
    '$name: as partx lists it',
    (layout) => {
      make(layout);
      // A GPT shows its sector size; an MBR has to be told.
      const isGpt = layout.name.startsWith('GPT');
      const table = readImage(isGpt ? undefined : layout.sectorBytes);
      expect(table.sectorBytes).toBe(layout.sectorBytes);
      expect(table.partitions.length).toBeGreaterThan(1);
      expect(asPartxLines(table)).toEqual(partxLines(image, layout.sectorBytes!));
    },
  );
});

describe('disks cut short', () => {
  it('GPT without backup: what was there before, cut off at the end', () => {
    make(simpleGpt);
    const before = sfdiskTable(image);
    truncateSync(image, 20 * MIB);
    const table = asListed(readImage());
    const [first, second] = before.partitions;
    const size = 20 * 2048 - second!.start;
    expect(table).toEqual({ ...before, partitions: [first, { ...second, size }] });
  });

  it('MBR: as sfdisk lists it, within what is left', () => {
    make({
      ...simpleGpt,
      make: (path) => run('sfdisk', ['--quiet', path], 'size=8M\nsize=20M\n,\n'),
    });
    truncateSync(image, 20 * MIB);
    const listed = sfdiskTable(image).partitions;
    expect(listed.length).toBe(3);
    const size = 20 * 2048 - listed[1]!.start;
    expect(asListed(readImage()).partitions).toEqual([listed[0], { ...listed[1], size }]);
  });
});

describe('names of types', () => {
  const ids = (label: string) =>
    run('sfdisk', ['--list-types', '--label', label])
      .split('\n')
      .slice(2)
      .map((line) => line.trim().split(/\s+/)[0]!)
      .filter((id) => id !== '');

  it('exist for every GUID that sfdisk knows', () => {
    const known = ids('gpt');
    expect(known.length).toBeGreaterThan(150);
    expect(known.filter((id) => !GPT_TYPE_NAMES.has(id.toUpperCase()))).toEqual([]);
  });

  it('exist for every MBR type that sfdisk knows', () => {
    const known = ids('dos');
    expect(known.length).toBeGreaterThan(80);
    expect(known.filter((id) => !MBR_TYPE_NAMES.has(Number.parseInt(id, 16)))).toEqual([]);
  });
});
