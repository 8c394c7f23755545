/**
 * Images made by others, where a folder of them is at hand: `DISKFILE_REAL_IMAGES`, or the folder
 * `shared/real-images` beside the repository. Each is packed with xz; `EXPECTED.tsv` gives name,
 * SHA-256 of the guest's bytes, virtual size and format.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkDiskFile,
  type DiskFile,
  openDevices,
  openDiskFile,
  openFileSystem,
} from '../../src/index.ts';

const folder =
  process.env['DISKFILE_REAL_IMAGES'] ??
  join(import.meta.dirname, '../../../../../shared/real-images');
const present = existsSync(join(folder, 'EXPECTED.tsv'));
if (!present) console.warn('skipped: no folder of real images (set DISKFILE_REAL_IMAGES)');

const EVIDENCE = ['image.E01', 'image-split.E01', 'image-split.E02'];
const APPLE = ['hfsplus_zlib.dmg'];

interface Expected {
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

function expectedImages(): Expected[] {
  return readFileSync(join(folder, 'EXPECTED.tsv'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'))
    .filter(([, , , format]) => ['qcow2', 'raw', 'vpc', 'vmdk'].includes(format!))
    .filter(([name]) => /\.(qcow2|raw|vhd|vmdk)$/.test(name!))
    .map(([name, sha256, size]) => ({ name: name!, sha256: sha256!, sizeBytes: Number(size) }));
}

function hashOf(disk: DiskFile): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(1024 * 1024);
  for (let at = 0; at < disk.sizeBytes; at += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, disk.sizeBytes - at));
    disk.readSync(chunk, at);
    hash.update(chunk);
  }
  return hash.digest('hex');
}

describe.skipIf(!present)('real images', () => {
  let directory: string;
  const images = present ? expectedImages() : [];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'diskfile-real-'));
    for (const name of [...images.map((image) => image.name), ...EVIDENCE, ...APPLE]) {
      const bytes = execFileSync('xz', ['-dc', join(folder, `${name}.xz`)], { maxBuffer: 2 ** 30 });
      writeFileSync(join(directory, name), bytes);
    }
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(images)('$name reads as qemu-img converts it', async ({ name, sha256, sizeBytes }) => {
    // The parents of differencing disks are not there, and QEMU does not look for them.
    await using disk = await openDiskFile(join(directory, name), { backing: false });
    expect(disk.sizeBytes).toBe(sizeBytes);
    expect(hashOf(disk)).toBe(sha256);
  });

  it('ext2.qcow2 is a filesystem that can be walked whole', async () => {
    await using disk = await openDiskFile(join(directory, 'ext2.qcow2'));
    await using fileSystem = await openFileSystem(disk);
    const paths: string[] = [];
    for await (const { path, stats } of fileSystem.walk('/')) {
      if (stats.type === 'file') await fileSystem.readFile(path);
      paths.push(path);
    }
    expect(paths).toContain('/passwords.txt');
  });

  it.each(['image.E01', 'image-split.E01'])('%s has the digest that it notes', async (name) => {
    const report = await checkDiskFile(join(directory, name));
    expect(report.findings).toEqual([]);
    expect(report.format).toBe('ewf');
    await using disk = await openDiskFile(join(directory, name));
    expect(disk.info()[0]!.details['md5']).toMatch(/^[0-9a-f]{32}$/);
  });

  it('hfsplus_zlib.dmg has the checksums that it notes', async () => {
    const path = join(directory, 'hfsplus_zlib.dmg');
    const report = await checkDiskFile(path);
    expect(report).toMatchObject({ format: 'dmg', corruptions: 0, compressedClusters: 2110 });
    await using disk = await openDiskFile(path);
    // As qemu-img reads it when it is told the format.
    expect(hashOf(disk)).toBe('aaa0aeaa062801b1a3abcc3a0695d2739cb6861cbd8d5eaf6ae8f0589d53e0a5');
    const devices = await openDevices(disk);
    expect(devices.map(({ name }) => name)).toEqual(['/dev/sda1']);
    await Promise.all(devices.map((device) => device.disk.close()));
  });

  it('mbr.raw has logical partitions', async () => {
    await using disk = await openDiskFile(join(directory, 'mbr.raw'));
    const devices = await openDevices(disk);
    expect(devices.map(({ name }) => name)).toContain('/dev/sda5');
    await Promise.all(devices.map((device) => device.disk.close()));
  });
});
