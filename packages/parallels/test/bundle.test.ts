/** What descriptors of disks may say, and what they may not. */
import { describe, expect, it } from 'vitest';
import { MemoryStorage, type OpenGate } from '@diskfile/core';
import { detailOf, DriverInMemory } from '@diskfile/testkit';
import { parallelsDriver } from '../src/index.ts';

const SECTOR = 512;
const TOP = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';
const ROOT = '{00000000-0000-0000-0000-00000000000A}';
const NONE = '{00000000-0000-0000-0000-000000000000}';
const disks = new DriverInMemory(parallelsDriver);

const gate: OpenGate = {
  *open({ file, writable }) {
    expect(writable).toBe(false);
    return new MemoryStorage(new Uint8Array(8 * SECTOR).fill(7), file.filename);
  },
};

const PLAIN = `<Image><GUID>${TOP}</GUID><Type>Plain</Type><File>a.hds</File></Image>`;
const WHOLE = `<Storage><Start>0</Start><End>10</End>${PLAIN}</Storage>`;

interface Parts {
  readonly parameters?: string;
  readonly storages?: string;
  readonly snapshots?: string;
}

function descriptor({ parameters = '', storages = WHOLE, snapshots = '' }: Parts = {}) {
  const text =
    `<?xml version="1.0"?>\n<Parallels_disk_image Version="1.0">` +
    `<Disk_Parameters><Disk_size>10</Disk_size>${parameters}</Disk_Parameters>` +
    `<StorageData>${storages}</StorageData>${snapshots}</Parallels_disk_image>`;
  return new MemoryStorage(new TextEncoder().encode(text), 'DiskDescriptor.xml');
}

function open(storage: MemoryStorage, writable = false) {
  return disks.open(storage, { writable, gate });
}

function shot(guid: string, parent: string): string {
  return `<Shot><GUID>${guid}</GUID><ParentGUID>${parent}</ParentGUID></Shot>`;
}

describe('a descriptor', () => {
  it('of one plain file makes a disk, zeros where that ends early', () => {
    const disk = open(descriptor());
    const bytes = new Uint8Array(10 * SECTOR);
    disk.readSync(bytes, 0);
    const expected = new Uint8Array(10 * SECTOR).fill(7, 0, 8 * SECTOR);
    expect(Buffer.compare(bytes, expected)).toBe(0);
    expect(disk.info()[0]!.details).toEqual({ images: [TOP], snapshots: [TOP], storages: 1 });
  });

  it('is recognised, and not taken from other markup', () => {
    const probe = (text: string) => {
      const head = new TextEncoder().encode(text);
      return parallelsDriver.probe({ head, tail: head, sizeBytes: head.length });
    };
    expect(probe('<?xml?><Parallels_disk_image Version="1.0">')).toBe('yes');
    expect(probe('see <Parallels_disk_image>')).toBe('no');
    expect(probe('<plist></plist>')).toBe('no');
  });

  it('is for reading, and its disk is not checked as a whole', () => {
    expect(detailOf(() => open(descriptor(), true))).toBe('parallels.bundle-read-only');
    expect(detailOf(() => disks.check(descriptor()))).toBe('parallels.check-bundle');
  });

  it.each<[string, Parts, string]>([
    ['padding', { parameters: '<Padding>1</Padding>' }, 'parallels.padding'],
    [
      'encryption',
      { parameters: `<Encryption><Engine>${ROOT}</Engine></Encryption>` },
      'parallels.encrypted',
    ],
    ['no storage', { storages: '' }, 'parallels.descriptor'],
    ['a gap', { storages: WHOLE.replace('>0<', '>1<') }, 'parallels.descriptor'],
    ['an end too early', { storages: WHOLE.replace('>10<', '>9<') }, 'parallels.descriptor'],
    ['two storages of one range', { storages: WHOLE + WHOLE }, 'parallels.descriptor'],
    ['a size that is none', { storages: WHOLE.replace('>10<', '>-1<') }, 'parallels.descriptor'],
    ['another type', { storages: WHOLE.replace('Plain', 'Real') }, 'parallels.image-type'],
    [
      'a top that is nowhere',
      { snapshots: `<Snapshots><TopGUID>${ROOT}</TopGUID></Snapshots>` },
      'parallels.descriptor',
    ],
    [
      'a parent that is nowhere',
      { snapshots: `<Snapshots>${shot(TOP, ROOT)}</Snapshots>` },
      'parallels.descriptor',
    ],
    [
      'a circle of parents',
      { snapshots: `<Snapshots>${shot(TOP, ROOT)}${shot(ROOT, TOP)}</Snapshots>` },
      'parallels.descriptor',
    ],
    [
      'two parents of one image',
      { snapshots: `<Snapshots>${shot(TOP, NONE)}${shot(TOP, NONE)}</Snapshots>` },
      'parallels.descriptor',
    ],
    [
      'a plain file over another',
      {
        storages: WHOLE.replace('</Storage>', `${PLAIN.replace(TOP, ROOT)}</Storage>`),
        snapshots: `<Snapshots>${shot(TOP, ROOT)}${shot(ROOT, NONE)}</Snapshots>`,
      },
      'parallels.descriptor',
    ],
    ['elements that do not end', { storages: '<Storage><Start>' }, 'parallels.descriptor'],
    ['deep nesting', { storages: '<a>'.repeat(100) }, 'parallels.descriptor'],
  ])('with %s is refused', (_, parts, detail) => {
    expect(detailOf(() => open(descriptor(parts)))).toBe(detail);
  });

  it('may have a chain no longer than any other', () => {
    const guid = (at: number) => `{00000000-0000-0000-0000-${String(at).padStart(12, '0')}}`;
    const shots = Array.from({ length: 140 }, (_, at) => shot(guid(at + 1), guid(at + 2)));
    const snapshots = `<Snapshots><TopGUID>${guid(1)}</TopGUID>${shots.join('')}</Snapshots>`;
    expect(detailOf(() => open(descriptor({ snapshots })))).toBe('parallels.chain-too-long');
  });
});
