import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GUEST, IMAGES, run, scratch, succeed } from './support/run.ts';

const lines = (text: string) => text.split('\n').slice(0, -1);
const image = (name: string) => join(IMAGES, `${name}.qcow2`);

describe('disk-df', () => {
  it('shows blocks as df does', async () => {
    const { stdout } = await succeed('disk-df', [GUEST]);
    const rows = lines(stdout).map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(['Filesystem', '1K-blocks', 'Used', 'Available', 'Use%']);
    expect(rows.map(([name]) => name).slice(1)).toEqual([
      'debian-guest.qcow2:/dev/sda1',
      'debian-guest.qcow2:/dev/sda2',
      'debian-guest.qcow2:/dev/sda3',
    ]);
    // An ESP cannot be read yet, and says so by having no numbers.
    expect(rows[1]!.slice(1)).toEqual(['-', '-', '-', '-']);
    // What df prints for the loop-mounted partition.
    expect(rows[2]!.slice(1)).toEqual(['15737', '646', '15091', '5%']);
    expect(rows[3]!.slice(1)).toEqual(['88004', '6240', '79800', '8%']);
  });

  it('shows inodes, sizes for people, CSV and JSON', async () => {
    const inodes = await succeed('disk-df', ['-i', GUEST]);
    expect(lines(inodes.stdout)[0]).toMatch(/ Inodes +IUsed +IFree +IUse%$/);
    const human = await succeed('disk-df', ['-h', GUEST]);
    expect(human.stdout).toMatch(/sda3 +86M +6\.1M +78M +8%\n/);
    const csv = await succeed('disk-df', ['--csv', GUEST, image('gpt-4k')]);
    expect(lines(csv.stdout)[0]).toBe('Image,Filesystem,1K-blocks,Used,Available,Use%');
    expect(csv.stdout).toContain(`\n${GUEST},/dev/sda3,88004,6240,79800,8%\n`);
    expect(lines(csv.stdout).at(-1)).toContain('gpt-4k.qcow2,/dev/sda2,');
    const json = JSON.parse((await succeed('disk-df', ['--json', GUEST])).stdout) as unknown[];
    expect(json).toEqual([
      expect.objectContaining({ device: '/dev/sda1', type: 'vfat', totalBytes: null }),
      expect.objectContaining({ device: '/dev/sda2', type: 'ext2' }),
      {
        image: GUEST,
        device: '/dev/sda3',
        type: 'ext4',
        totalBytes: 90116096,
        usedBytes: 6389760,
        availableBytes: 81715200,
      },
    ]);
  });

  it('refuses sizes for people in CSV', async () => {
    expect((await run('disk-df', ['-h', '--csv', GUEST])).code).toBe(2);
  });
});

describe('disk-filesystems', () => {
  it('prints the names of filesystems', async () => {
    const { stdout } = await succeed('disk-filesystems', [GUEST]);
    expect(lines(stdout)).toEqual(['/dev/sda1', '/dev/sda2', '/dev/sda3']);
    expect((await succeed('disk-filesystems', [image('no-table-ext2')])).stdout).toBe('/dev/sda\n');
    expect((await succeed('disk-filesystems', [image('mbr-logical')])).stdout).toBe('/dev/sda6\n');
  });

  it('prints everything as a table', async () => {
    const args = ['--all', '--long', '--uuid', '-h', GUEST];
    const { stdout } = await succeed('disk-filesystems', args);
    const rows = lines(stdout).map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(
      ['Name', 'Type', 'VFS', 'Label', 'MBR', 'Size', 'Parent', 'UUID'], //
    );
    expect(rows[3]!.slice(0, 7)).toEqual(
      ['/dev/sda3', 'filesystem', 'ext4', 'root', '-', '96M', '-'], //
    );
    expect(rows[4]!.slice(0, 7)).toEqual([
      '/dev/sda1',
      'partition',
      '-',
      'EFI system partition',
      '-',
      '4.0M',
      '/dev/sda',
    ]);
    expect(rows.at(-1)!.slice(0, 6)).toEqual(['/dev/sda', 'device', '-', '-', '-', '118M']);
    const bare = await succeed('disk-filesystems', ['-l', '--no-title', GUEST]);
    expect(lines(bare.stdout).length).toBe(3);
  });

  it('prints partitions with the type byte of an MBR', async () => {
    const { stdout } = await succeed('disk-filesystems', [
      '--partitions',
      '--long',
      '--csv',
      image('mbr-logical'),
    ]);
    expect(lines(stdout)[0]).toBe('Name,Type,VFS,Label,MBR,Size,Parent');
    expect(stdout).toContain('\n/dev/sda1,partition,,,83,1048576,/dev/sda\n');
    expect(
      lines(stdout)
        .map((line) => line.split(',')[0])
        .slice(1),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((number) => `/dev/sda${number}`));
  });

  it('tells unknown content and whole disks on demand', async () => {
    const extra = await succeed('disk-filesystems', ['--extra', '-l', image('mbr-logical')]);
    expect(extra.stdout).toMatch(/^\/dev\/sda2 +filesystem +unknown /m);
    const disks = await succeed('disk-filesystems', ['--block-devices', GUEST]);
    expect(disks.stdout).toBe('/dev/sda\n');
  });

  it('gives JSON with nulls for what there is not', async () => {
    const { stdout } = await succeed('disk-filesystems', ['--json', '--all', GUEST]);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    expect(rows.length).toBe(7);
    expect(rows[2]).toEqual({
      name: '/dev/sda3',
      type: 'filesystem',
      vfs: 'ext4',
      label: 'root',
      mbr: null,
      sizeBytes: 100663296,
      parent: null,
      uuid: '99c8c0f1-0eb6-42a0-8ae7-899fb538bd02',
    });
  });

  it('warns of a damaged partition table and uses the backup', async () => {
    const { code, stdout, stderr } = await run('disk-filesystems', [image('gpt-backup-only')]);
    expect([code, stdout]).toEqual([0, '/dev/sda2\n']);
    expect(stderr).toMatch(/^disk-filesystems: warning: The primary GPT is damaged/);
  });

  it('opens images of any name', async () => {
    const path = join(scratch(), 'a "name", with: all\nsorts.qcow2');
    copyFileSync(image('gpt-512'), path);
    const { stdout } = await succeed('disk-df', ['--csv', path]);
    expect(stdout).toContain(`\n"${path.replaceAll('"', '""')}",/dev/sda2,`);
  });
});
