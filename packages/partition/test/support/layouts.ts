/** Partition tables as genuine tools make them, one recipe each. */
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { run } from './tools.ts';

export interface Layout {
  readonly name: string;
  readonly sizeMiB: number;
  /** Sector size that the tool is told; 512 unless given. */
  readonly sectorBytes?: number;
  make(image: string): void;
}

const MIB = 1024 * 1024;

function sfdisk(name: string, script: string, sizeMiB = 64): Layout {
  return { name, sizeMiB, make: (image) => void run('sfdisk', ['--quiet', image], script) };
}

function parted(name: string, commands: string, sizeMiB = 64): Layout {
  const args = commands.split(' ');
  return { name, sizeMiB, make: (image) => void run('parted', ['--script', image, ...args]) };
}

function sgdisk(name: string, commands: string, sizeMiB = 64): Layout {
  const make = (image: string) => void run('sgdisk', [...commands.split(' '), image]);
  return { name, sizeMiB, make };
}

function fdisk(name: string, sectorBytes: number, keys: string): Layout {
  const script = `${keys.split(' ').join('\n')}\n`;
  const make = (image: string) => void run('fdisk', ['-b', String(sectorBytes), image], script);
  return { name, sizeMiB: 64, sectorBytes, make };
}

/** A layout that goes on from another one. */
function then(layout: Layout, name: string, change: (image: string) => void): Layout {
  return {
    ...layout,
    name,
    make: (image) => {
      layout.make(image);
      change(image);
    },
  };
}

function overwrite(image: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(image, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const logicals = (count: number) =>
  sfdisk(
    `MBR: ${count} logical partitions`,
    `label: dos\nsize=4M,type=83\nsize=4M,type=7\ntype=5\n${lines(count, () => 'size=1M,type=83')}\n`,
    128,
  );

const threeLogicals = sfdisk(
  'MBR: logical partitions with gaps',
  `label: dos
1: start=2048,size=2048
2: start=8192,size=100000,type=f
5: start=10240,size=2048,type=82
6: start=30720,size=2048,type=b
7: start=61440,size=2048,type=8e,bootable
`,
);

const MBR_LAYOUTS: Layout[] = [
  sfdisk('MBR: empty', 'label: dos\n'),
  sfdisk('MBR: one partition', 'label: dos\n,\n'),
  sfdisk(
    'MBR: four, one bootable',
    `label: dos\n${lines(4, (i) => `size=8M,type=${i + 81}${i === 2 ? ',bootable' : ''}`)}\n`,
  ),
  sfdisk(
    'MBR: only the second and fourth entry',
    'label: dos\n2: start=2048,size=4096\n4: start=8192,size=100\n',
  ),
  sfdisk(
    'MBR: entries against the order on the disk',
    'label: dos\n1: start=40960,size=2048\n2: start=20480,size=2048\n3: start=2048,size=2048\n',
  ),
  sfdisk('MBR: given signature', 'label: dos\nlabel-id: 0x0badcafe\n,\n'),
  sfdisk('MBR: no signature', 'label: dos\nlabel-id: 0x00000000\n,\n'),
  sfdisk(
    'MBR: rare types',
    'label: dos\nsize=1M,type=fd\nsize=1M,type=ef\nsize=1M,type=cc\nsize=1M,type=a5\n',
  ),
  sfdisk('MBR: from sector 1 to the last', 'label: dos\nunit: sectors\n1: start=1,size=131071\n'),
  sfdisk('MBR: almost 2 TiB', 'label: dos\n1: start=2048,size=4294960000\n', 2 * 1024 * 1024),
  logicals(1),
  logicals(17),
  logicals(56),
  threeLogicals,
  then(threeLogicals, 'MBR: first logical deleted', (image) =>
    run('sfdisk', ['--delete', image, '5']),
  ),
  then(threeLogicals, 'MBR: middle logical deleted and another one put first', (image) => {
    run('sfdisk', ['--delete', image, '6']);
    run(
      'sfdisk',
      ['--append', '--quiet', image],
      'start=51200,size=2048,type=83\nstart=20480,size=2048,type=7\n',
    );
  }),
  then(threeLogicals, 'MBR: all logicals deleted', (image) =>
    run('sfdisk', ['--delete', image, '7', '6', '5']),
  ),
  then(threeLogicals, 'MBR: logicals not in the order of the disk', (image) => {
    run('sfdisk', ['--append', '--quiet', image], 'start=40960,size=1024\nstart=20480,size=1024\n');
  }),
  sfdisk(
    'MBR: extended of type 85 in the first entry',
    'label: dos\n1: start=2048,size=60000,type=85\n2: start=80000,size=100\n5: size=1M\n6: size=1M\n',
  ),
  parted(
    'MBR: by parted',
    'mklabel msdos mkpart primary ext4 1MiB 9MiB mkpart extended 9MiB 60MiB mkpart logical ntfs 10MiB 20MiB ' +
      'mkpart logical linux-swap 21MiB 30MiB mkpart primary fat32 60MiB 63MiB set 1 boot on',
  ),
  then(
    parted(
      '',
      'mklabel msdos mkpart extended 1MiB 63MiB mkpart logical 2MiB 10MiB mkpart logical 30MiB 40MiB mkpart logical 50MiB 60MiB',
    ),
    'MBR: by parted, a logical replaced',
    (image) => run('parted', ['--script', image, 'rm', '6', 'mkpart', 'logical', '12MiB', '20MiB']),
  ),
  fdisk('MBR: sectors of 4096 bytes', 4096, 'o n p 1  +8M n e 2   n  +4M n  +4M a 1 w'),
];

const TYPES = [
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  '21686148-6449-6E6F-744E-656564454649',
  '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
  '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
  'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
  '12345678-9ABC-DEF0-1234-56789ABCDEF0',
];

const simpleGpt = sfdisk(
  'GPT: two partitions',
  'label: gpt\nsize=8M,type=uefi,name="EFI system"\nsize=40M,name=root\n',
);

const GPT_LAYOUTS: Layout[] = [
  sfdisk('GPT: empty', 'label: gpt\n'),
  simpleGpt,
  sfdisk('GPT: types', `label: gpt\n${lines(TYPES.length, (i) => `size=1M,type=${TYPES[i]}`)}\n`),
  sfdisk(
    'GPT: attributes',
    'label: gpt\nsize=1M,attrs="RequiredPartition"\nsize=1M,attrs="NoBlockIOProtocol,LegacyBIOSBootable"\n' +
      'size=1M,attrs="GUID:48,GUID:63,GUID:55,LegacyBIOSBootable,RequiredPartition"\nsize=1M\n',
  ),
  sfdisk(
    'GPT: names in Unicode, of full length',
    'label: gpt\nsize=1M,name="Größe 日本語 😀"\nsize=1M,name="abcdefghijklmnopqrstuvwxyz0123456789"\nsize=1M,name="with a space"\n',
  ),
  sfdisk(
    'GPT: given GUIDs',
    'label: gpt\nlabel-id: 01234567-89AB-CDEF-0123-456789ABCDEF\nuuid=FEDCBA98-7654-3210-FEDC-BA9876543210,size=1M\n',
  ),
  sfdisk('GPT: gaps in the numbers', 'label: gpt\n3: size=1M\n50: size=2M\n128: size=3M\n'),
  sfdisk(
    'GPT: 128 partitions',
    `label: gpt\n${lines(128, (i) => `size=128,start=${4096 + 256 * i}`)}\n`,
  ),
  sfdisk(
    'GPT: numbers against the order on the disk',
    `label: gpt\n${lines(9, (i) => `${9 - i}: size=1M`)}\n`,
  ),
  sfdisk(
    'GPT: table for 16 partitions',
    `label: gpt\ntable-length: 16\nfirst-lba: 34\n${lines(16, () => 'size=100')}\n`,
  ),
  sfdisk('GPT: sectors 34 to the last usable one', 'label: gpt\nfirst-lba: 34\nstart=34\n'),
  sfdisk('GPT: 8 TiB', 'label: gpt\nsize=5T\nsize=2T,name=far\n', 8 * 1024 * 1024),
  sgdisk(
    'GPT: by sgdisk',
    '-n 1:0:+8M -t 1:ef00 -c 1:boot -n 2:0:0 -t 2:8300 -A 2:set:2 -A 2:set:60',
  ),
  sgdisk('GPT: table for 512 partitions', '-S 512 -n 1:0:+1M -n 400:0:+1M -n 512:0:+2M'),
  sgdisk('GPT: table for 4 partitions', '-S 4 -n 1:0:+1M -n 4:0:+1M'),
  sgdisk('GPT: main table moved', '-j 1000 -n 1:4096:+1M -n 2:0:+1M'),
  sgdisk('GPT: entries swapped and sorted', '-n 1:50000:+1M -n 2:20000:+1M -n 3:0:+1M -r 1:2'),
  sgdisk('GPT: hybrid MBR', '-n 1:0:+8M -t 1:ef00 -n 2:0:+8M -n 3:0:0 -h 1:2'),
  sgdisk('GPT: hybrid MBR, protective entry last', '-n 1:0:+8M -n 2:0:+8M -h 1:2:EE'),
  parted(
    'GPT: by parted',
    'mklabel gpt mkpart esp fat32 1MiB 9MiB mkpart boot ext4 9MiB 20MiB mkpart data 20MiB 60MiB ' +
      'set 1 esp on set 2 legacy_boot on set 3 lvm on',
  ),
  then(simpleGpt, 'GPT: primary header zeroed', (image) =>
    overwrite(image, 512, new Uint8Array(512)),
  ),
  then(simpleGpt, 'GPT: primary header damaged', (image) =>
    overwrite(image, 512 + 57, Uint8Array.of(0x55)),
  ),
  then(simpleGpt, 'GPT: primary entries damaged', (image) =>
    overwrite(image, 1024 + 40, Uint8Array.of(0x99)),
  ),
  then(simpleGpt, 'GPT: backup damaged', (image) =>
    overwrite(image, 64 * MIB - 512, new Uint8Array(512)),
  ),
  then(simpleGpt, 'GPT: disk has grown', (image) => truncateSync(image, 80 * MIB)),
  then(simpleGpt, 'GPT: stale backup of an earlier table', (image) => {
    const before = Uint8Array.from({ length: 16 }, () => 0xee);
    overwrite(image, 64 * MIB - 512 - 16_384 + 16, before);
  }),
  fdisk('GPT: sectors of 4096 bytes', 4096, 'g n 1  +8M n 5  +4M t 5 1 w'),
];

export const LAYOUTS: readonly Layout[] = [...MBR_LAYOUTS, ...GPT_LAYOUTS];
export { simpleGpt };
