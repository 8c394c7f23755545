import { describe, expect, it } from 'vitest';
import type { GuestDevice } from '../../src/guest/devices.ts';
import { findDevice, namesDevice, parseFstab } from '../../src/guest/fstab.ts';

const parse = (text: string) => parseFstab(new TextEncoder().encode(text));

describe('/etc/fstab', () => {
  it('gives the entries that belong into the tree', () => {
    const entries = parse(`
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=0a1b  /      ext4  errors=remount-ro 0 1
LABEL=my\\040boot\t/boot ext4
/dev/sda5 none swap sw 0 0
tmpfs /tmp tmpfs
PARTUUID=xx /with\\011tab auto noauto,ro 0 0
broken-line
`);
    expect(entries.map(({ spec, path, type }) => [spec, path, type])).toEqual([
      ['UUID=0a1b', '/', 'ext4'],
      ['LABEL=my boot', '/boot', 'ext4'],
      ['tmpfs', '/tmp', 'tmpfs'],
      ['PARTUUID=xx', '/with\ttab', 'auto'],
    ]);
    expect(entries.filter(namesDevice).map(({ path }) => path)).toEqual([
      '/',
      '/boot',
      '/with\ttab',
    ]);
    expect(entries[3]!.options).toEqual(['noauto', 'ro']);
  });
});

function device(number: number | undefined, more: object): GuestDevice {
  const partition =
    number === undefined ? undefined : { number, uuid: `5b0c-0${number}`, name: `part ${number}` };
  return {
    name: `/dev/sda${number ?? ''}`,
    partition,
    content: { type: 'ext4', usage: 'filesystem', label: '', uuid: '', ...more },
  } as unknown as GuestDevice;
}

describe('devices named by fstab', () => {
  const devices = [
    device(1, { type: 'vfat', uuid: 'ABCD-0123', label: 'ESP' }),
    device(2, { uuid: '11111111-2222-3333-4444-555555555555', label: 'a b' }),
    device(13, { uuid: '' }),
  ];

  it.each([
    ['UUID=11111111-2222-3333-4444-555555555555', 2],
    ['UUID="11111111-2222-3333-4444-555555555555"', 2],
    ['UUID=abcd-0123', 1],
    ['LABEL=a b', 2],
    ["LABEL='ESP'", 1],
    ['PARTUUID=5B0C-02', 2],
    ['PARTLABEL=part 13', 13],
    ['/dev/sda2', 2],
    ['/dev/vda13', 13],
    ['/dev/xvda1', 1],
    ['/dev/nvme0n1p2', 2],
    ['/dev/mmcblk0p1', 1],
    ['/dev/disk/by-uuid/ABCD-0123', 1],
    ['/dev/disk/by-label/a\\x20b', 2],
    ['/dev/disk/by-partuuid/5b0c-013', 13],
  ])('%s', (spec, number) => {
    expect(findDevice(devices, spec)?.partition?.number).toBe(number);
  });

  it.each([
    'UUID=',
    'LABEL=',
    'PARTLABEL=',
    'UUID=0000',
    '/dev/sdb1',
    '/dev/sda3',
    '/dev/sda',
    '/dev/nvme0n12',
    '/dev/mapper/vg-root',
  ])('%s is none of them', (spec) => {
    expect(findDevice(devices, spec)).toBeUndefined();
  });

  it('names the whole disk where there is no partition table', () => {
    const whole = [device(undefined, {})];
    expect(findDevice(whole, '/dev/vda')).toBe(whole[0]);
    expect(findDevice(whole, '/dev/vda1')).toBeUndefined();
  });
});
