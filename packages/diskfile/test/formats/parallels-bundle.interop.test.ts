/** Disks of Parallels with a descriptor, made by an independent script; qemu-img knows their parts. */
import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { convertDiskFile, openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const SCRIPT = join(import.meta.dirname, '../../../../scripts/parallels/bundle.py');
const SECTOR = 512;

describe.skipIf(!haveTools('python3', 'qemu-img'))('disks of Parallels with a descriptor', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-bundle-'));
  const qemu = new QemuDirectory(directory);
  const random = new SeededRandom(1);
  const content = Buffer.alloc(2000 * SECTOR);

  beforeAll(() => {
    for (let at = 0; at < content.length; at++) {
      const kind = Math.floor(at / 60_000) % 3;
      if (kind === 0) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
      else if (kind === 1) content[at] = 97 + ((at * at) % 23);
    }
    writeFileSync(qemu.file('content.raw'), content);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function make(name: string, options: string): string[] {
    const given = options.split(' ').filter((option) => option !== '');
    rmSync(qemu.file(name), { recursive: true, force: true });
    const args = [SCRIPT, name, 'content.raw', ...given];
    return execFileSync('python3', args, { cwd: directory, encoding: 'utf8' }).trim().split('\n');
  }

  it.each([
    '',
    '--old --tracks 63 --no-top',
    '--split 700,1200 --extension',
    '--layers 3',
    '--layers 2 --plain-root --split 1001 --tracks 8',
    '--plain-root --split 1,34',
    '--layers 4 --old --no-top --split 16,992',
  ])('%s', async (options) => {
    const guids = make('disk.hdd', options);
    for (const path of ['disk.hdd', 'disk.hdd/DiskDescriptor.xml']) {
      await using disk = await openDiskFile(qemu.file(path));
      expect(disk.format).toBe('parallels');
      expect(disk.info()[0]!.details['images']).toEqual(guids);
      await expectContent(disk, content, random);
    }
    for (const [layer, guid] of guids.entries()) {
      const bare = guid.slice(1, -1).toUpperCase();
      await using older = await openDiskFile(qemu.file('disk.hdd'), { snapshot: bare });
      const expected = Buffer.from(content);
      const start = content.length - layer * Math.floor(content.length / 8);
      for (let at = start; at < content.length; at++) expected[at]! ^= 0xff;
      await expectContent(older, expected, random);
    }
  });

  it('is copied by workers like any other disk', async () => {
    make('disk.hdd', '--layers 2 --split 1000');
    await convertDiskFile(qemu.file('disk.hdd'), qemu.file('copy.qcow2'), {
      format: 'qcow2',
      workers: 2,
    });
    qemu.img('compare', '-f', 'qcow2', '-F', 'raw', 'copy.qcow2', 'content.raw');
  });

  it('has images that qemu-img reads as the script means them', async () => {
    make('disk.hdd', '--extension --old --tracks 8');
    const name = readdirSync(qemu.file('disk.hdd')).find((each) => each.endsWith('.hds'));
    const image = `disk.hdd/${name}`;
    qemu.img('compare', '-f', 'parallels', '-F', 'raw', image, 'content.raw');
    await using disk = await openDiskFile(qemu.file(image));
    await expectContent(disk, content, random);
  });

  it('opens no file outside its directory', async () => {
    make('disk.hdd', '');
    const path = qemu.file('disk.hdd/DiskDescriptor.xml');
    const descriptor = readFileSync(path, 'utf8');
    const opening = { code: 'denied' };
    for (const file of ['../content.raw', qemu.file('content.raw')]) {
      writeFileSync(path, descriptor.replace(/<File>.*<\/File>/, `<File>${file}</File>`));
      await expect(openDiskFile(path)).rejects.toMatchObject(opening);
    }
    rmSync(path);
    symlinkSync(qemu.file('content.raw'), path);
    await expect(openDiskFile(qemu.file('disk.hdd'))).rejects.toThrowError();
  });
});
