import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listTree, readManifest } from '@diskfile/testkit';
import {
  type DiskFile,
  type Guest,
  openDevices,
  openDiskFile,
  openFileSystemSync,
  openGuest,
  openGuestSync,
  readPartitionsSync,
} from '../../src/index.ts';

const folder = join(import.meta.dirname, '../../../../test-images');
let disk: DiskFile;
let guest: Guest;

beforeAll(async () => {
  disk = await openDiskFile(join(folder, 'debian-guest.qcow2'));
  guest = await openGuest(disk);
});

afterAll(async () => {
  await guest.close();
  await disk.close();
});

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('the guest of the README', () => {
  it.each(['sync', 'async'] as const)('is read whole as the kernel reads it (%s)', async (how) => {
    const manifest = readManifest(join(folder, 'debian-guest.manifest.jsonl'));
    const byPath = new Map(
      (await listTree(guest.fileSystem, how)).map((entry) => [entry.path, entry]),
    );
    // The manifest is sorted by bytes, the walk by directory: hard links may name another first.
    for (const { hardLinkTo, ...entry } of manifest) {
      const { hardLinkTo: listedLink, ...listed } = byPath.get(entry.path)!;
      expect(listed).toEqual(entry);
      if (hardLinkTo !== undefined || listedLink !== undefined) {
        const sameInode = byPath.get(hardLinkTo ?? listedLink!)!;
        expect(sameInode.sha256).toBe(listed.sha256);
        expect(listed.nlink).toBeGreaterThan(1);
      }
    }
    expect(byPath.size).toBe(manifest.length);
  });

  it('has its root found and its fstab followed', async () => {
    expect(guest.root.name).toBe('/dev/sda3');
    expect(guest.fileSystem.mounts.map(({ path }) => path)).toEqual(['/', '/boot']);
    expect(guest.skippedMounts).toMatchObject([
      { path: '/boot/efi', device: '/dev/sda1', reason: expect.stringContaining('vfat') as string },
      { path: '/media/cdrom0', device: '/dev/sr0' },
      { path: '/srv/gone disk', reason: 'it is not on this disk' },
    ]);
    expect(await guest.fileSystem.exists('/boot/hidden-by-the-mount')).toBe(false);
    expect(await guest.fileSystem.realpath('/vmlinuz')).toMatch(/^\/boot\/vmlinuz/);
    const release = text(await guest.fileSystem.readFile('/etc/os-release'));
    expect(release).toContain('ID=debian');
  });

  it('shows what is beneath when mounts are picked by hand', async () => {
    await using root = await openGuest(disk, { mounts: [{ device: '/dev/sda3' }] });
    expect(await root.fileSystem.exists('/boot/hidden-by-the-mount')).toBe(true);
    await using swapped = await openGuest(disk, {
      mounts: [
        { device: 'LABEL=root', path: '/grub' },
        { device: '/dev/vda2', path: '/' },
      ],
    });
    expect(await swapped.fileSystem.exists('/grub/etc/os-release')).toBe(true);
    await expect(openGuest(disk, { mounts: [{ device: '/dev/sda9' }] })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(openGuest(disk, { mounts: [{ device: '/dev/sda1' }] })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await expect(
      openGuest(disk, { mounts: [{ device: '/dev/sda3', path: '/mnt' }] }),
    ).rejects.toMatchObject({ detail: 'guest.no-root' });
  });

  it('opens and closes synchronously as well', () => {
    using whole = openGuestSync(disk);
    expect(whole.fileSystem.statSync('/etc/os-release').type).toBe('file');
    const table = readPartitionsSync(disk)!;
    using boot = table.partitions[1]!.open();
    using fileSystem = openFileSystemSync(boot);
    expect([...fileSystem.readdirSync('/')].map(({ name }) => name)).toContain('grub');
    using esp = table.partitions[0]!.open();
    expect(() => openFileSystemSync(esp)).toThrowError(/vfat/);
  });

  it('lists its devices with types, labels and UUIDs', async () => {
    const devices = await openDevices(disk);
    expect(devices.map(({ name, content }) => [name, content?.type, content?.label])).toEqual([
      ['/dev/sda1', 'vfat', 'ESP'],
      ['/dev/sda2', 'ext2', 'boot'],
      ['/dev/sda3', 'ext4', 'root'],
    ]);
    await Promise.all(devices.map((device) => device.disk.close()));
  });
});
