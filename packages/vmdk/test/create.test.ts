import { describe, expect, it } from 'vitest';
import { readU32le } from '@diskfile/bytes';
import { detailOf } from '@diskfile/testkit';
import { Folder } from './support/disks.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const GRAIN = 64 * 1024;

function descriptorOf(folder: Folder, name: string, at = 0): string {
  return Buffer.from(folder.bytes(name).subarray(at, at + 20 * 512))
    .toString('latin1')
    .replaceAll('\0', '');
}

describe('a new disk', () => {
  it('is split at 2 GiB', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', 5 * GIB, { subformat: 'twoGbMaxExtentSparse' });
    expect([...folder.files.keys()]).toEqual([
      'disk.vmdk',
      'disk-s001.vmdk',
      'disk-s002.vmdk',
      'disk-s003.vmdk',
    ]);
    expect(descriptorOf(folder, 'disk.vmdk').match(/^RW.*$/gm)).toEqual([
      'RW 4194304 SPARSE "disk-s001.vmdk"',
      'RW 4194304 SPARSE "disk-s002.vmdk"',
      'RW 2097152 SPARSE "disk-s003.vmdk"',
    ]);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(new Uint8Array(GRAIN).fill(1), 4 * GIB - 100);
    disk.closeSync();
    const again = folder.open('disk.vmdk', { writable: false });
    const bytes = new Uint8Array(200);
    again.readSync(bytes, 4 * GIB - 200);
    expect(bytes.indexOf(1)).toBe(100);
    const data = [...again.blockStatusSync()].filter((status) => status.data);
    expect(data.map(({ guestOffset, lengthBytes }) => [guestOffset, lengthBytes])).toEqual([
      [4 * GIB - GRAIN, GRAIN],
      [4 * GIB, GRAIN],
    ]);
  });

  it.each([
    ['a', 'a-flat'],
    ['a.b.c', 'a.b-flat.c'],
    ['.vmdk', '-flat.vmdk'],
  ])('called %s has an extent %s', (name, extent) => {
    const folder = new Folder();
    folder.create(name, MIB, { subformat: 'monolithicFlat' });
    expect([...folder.files.keys()]).toEqual([name, extent]);
    expect(folder.read(name).length).toBe(MIB);
  });

  it('of no bytes can be opened', () => {
    for (const subformat of ['monolithicSparse', 'twoGbMaxExtentFlat']) {
      const folder = new Folder();
      folder.create('disk.vmdk', 0, { subformat });
      expect(folder.read('disk.vmdk').length).toBe(0);
    }
  });

  it.each([[{ toolsversion: '1"\nCID=1' }], [{ hwversion: 'a\0' }], [{ hwversion: 'a\rCID=1' }]])(
    'is not made with %o, which would end its line',
    (options) => {
      expect(detailOf(() => new Folder().create('disk.vmdk', MIB, options))).toBe(
        'vmdk.descriptor-text',
      );
    },
  );

  it('has no name that its descriptor cannot hold', () => {
    const make = (name: string, subformat: string) =>
      detailOf(() => new Folder().create(name, MIB, { subformat }));
    expect(make('a\nb.vmdk', 'monolithicSparse')).toBe('vmdk.descriptor-text');
    expect(make('a"b.vmdk', 'monolithicFlat')).toBe('vmdk.descriptor-text');
    expect(make('a"b.vmdk', 'monolithicSparse')).toBe('nothing was refused');
  });

  it('names its parent by identity and place', () => {
    const folder = new Folder();
    folder.create('base.vmdk', MIB);
    const cid = /CID=(\w+)/.exec(descriptorOf(folder, 'base.vmdk', 512))![1];
    folder.create('top.vmdk', MIB, {}, 'base.vmdk');
    const text = descriptorOf(folder, 'top.vmdk', 512);
    expect(text).toContain(`parentCID=${cid!.replace(/^0+/, '')}\n`);
    expect(text).toContain('parentFileNameHint="base.vmdk"\n');
    const grain = new Uint8Array(GRAIN).fill(7);
    const before = folder.open('top.vmdk');
    before.writeSync(grain, 2 * GRAIN);
    before.closeSync();
    const base = folder.open('base.vmdk');
    base.writeSync(Uint8Array.of(1), 0);
    base.closeSync();
    const top = folder.open('top.vmdk');
    const byte = new Uint8Array(1);
    expect(detailOf(() => top.readSync(byte, GRAIN))).toBe('vmdk.parent-cid');
    expect(detailOf(() => top.writeSync(byte, GRAIN))).toBe('vmdk.parent-cid');
    expect([...top.blockStatusSync(GRAIN, GRAIN)]).toMatchObject([{ allocated: false }]);
    expect(detailOf(() => top.writeSync(grain, GRAIN))).toBe('vmdk.parent-cid');
    top.readSync(byte, 2 * GRAIN);
    expect(byte[0]).toBe(7);
    top.closeSync();
  });
});

describe('zeroed grains', () => {
  it.each(['monolithicSparse', 'streamOptimized'])('cover an image below: %s', (subformat) => {
    const folder = new Folder();
    folder.create('base.vmdk', 4 * GRAIN);
    const base = folder.open('base.vmdk');
    base.writeSync(new Uint8Array(4 * GRAIN).fill(9), 0);
    base.closeSync();
    const options = { subformat, zeroed_grain: 'on' };
    folder.create('top.vmdk', 4 * GRAIN, options, 'base.vmdk');
    const before = folder.bytes('top.vmdk').length;
    const top = folder.open('top.vmdk');
    top.writeZeroesSync(GRAIN, 2 * GRAIN);
    top.flushSync();
    expect(folder.bytes('top.vmdk').length).toBe(before);
    top.writeSync(new Uint8Array(GRAIN).fill(3), 2 * GRAIN);
    top.closeSync();
    const firsts = folder.read('top.vmdk').filter((_, at) => at % GRAIN === 0);
    expect([...firsts]).toEqual([9, 0, 3, 9]);
    const table = folder.bytes('top.vmdk').subarray(27 * 512);
    expect([0, 1, 2].map((entry) => readU32le(table, entry * 4))).toEqual([0, 1, 128]);
  });
});
