/** Conversions that leave out what an image below the target has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  compareDisksSync,
  convertDiskFileSync,
  createDiskFileSync,
  openDiskFileSync,
} from '../../src/index.ts';

const KIB = 1024;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-kept-backing-'));
const file = (name: string) => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function create(name: string, below: string | undefined, guestOffset: number): void {
  createDiskFileSync(file(name), {
    format: 'qcow2',
    sizeBytes: 1024 * KIB,
    ...(below === undefined ? {} : { backing: { name: below, format: 'qcow2' } }),
  });
  const disk = openDiskFileSync(file(name), { readOnly: false });
  disk.writeSync(Buffer.alloc(64 * KIB, name), guestOffset);
  disk.closeSync();
}

create('base', undefined, 0);
create('mid', 'base', 128 * KIB);
create('top', 'mid', 256 * KIB);
create('copy-of-mid', 'base', 128 * KIB);

/** Where the new image itself has data. */
function ownOffsets(name: string): number[] {
  const disk = openDiskFileSync(file(name));
  const statuses = [...disk.blockStatusSync(0, disk.sizeBytes)];
  disk.closeSync();
  return statuses.filter(({ depth, data }) => depth === 0 && data).map((each) => each.guestOffset);
}

function isSame(name: string, other: string): boolean {
  const disks = [name, other].map((each) => openDiskFileSync(file(each)));
  try {
    return compareDisksSync(disks[0]!, disks[1]!).identical;
  } finally {
    for (const disk of disks) disk.closeSync();
  }
}

const KINDS = [
  ['mid', [256 * KIB]],
  // It lies two levels below: what the one between has is copied too.
  ['base', [128 * KIB, 256 * KIB]],
] as const;

describe('a conversion that keeps an image below', () => {
  it.each(KINDS)('leaves out what %s has', (name, offsets) => {
    const backing = { name, format: 'qcow2' };
    convertDiskFileSync(file('top'), file('new'), { format: 'qcow2', backing, overwrite: true });
    expect(ownOffsets('new')).toEqual(offsets);
    expect(isSame('top', 'new')).toBe(true);
  });

  it.each(KINDS)('does so into an image over %s that is there', (name, offsets) => {
    const backing = { name, format: 'qcow2' };
    createDiskFileSync(file('there'), { format: 'qcow2', backing, overwrite: true });
    convertDiskFileSync(file('top'), file('there'), {
      format: 'qcow2',
      backing: { name },
      intoExisting: true,
    });
    expect(ownOffsets('there')).toEqual(offsets);
    expect(isSame('top', 'there')).toBe(true);
  });

  it('takes a copy for the image below the top, or as deep as it is told', () => {
    const backing = { name: 'copy-of-mid', format: 'qcow2' };
    const how = { format: 'qcow2', backing, overwrite: true };
    convertDiskFileSync(file('top'), file('new'), how);
    expect(ownOffsets('new')).toEqual([256 * KIB]);
    convertDiskFileSync(file('top'), file('new'), { ...how, backing: { ...backing, depth: 2 } });
    expect(ownOffsets('new')).toEqual([128 * KIB, 256 * KIB]);
  });

  it('is refused where nothing lies below the target', () => {
    createDiskFileSync(file('alone'), { format: 'qcow2', sizeBytes: 1024 * KIB });
    const convert = () =>
      convertDiskFileSync(file('top'), file('alone'), {
        format: 'qcow2',
        backing: { name: 'mid' },
        intoExisting: true,
      });
    expect(convert).toThrow('The target has no image below');
    expect(ownOffsets('alone')).toEqual([]);
  });
});
