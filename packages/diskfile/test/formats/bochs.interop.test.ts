/** Growing images of Bochs, made by an independent script, as qemu-img reads them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { convertDiskFile, openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const SCRIPT = join(import.meta.dirname, '../../../../scripts/bochs/growing.py');
const SECTOR = 512;

describe.skipIf(!haveTools('python3', 'qemu-img'))('growing images of Bochs', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-bochs-'));
  const qemu = new QemuDirectory(directory);
  const random = new SeededRandom(1);
  const content = Buffer.alloc(3000 * SECTOR);

  beforeAll(() => {
    for (let at = 0; at < content.length; at++) {
      const kind = Math.floor(at / 70_000) % 4;
      // Scattered sectors, noise, and two stretches of nothing.
      if (kind === 0) content[at] = Math.floor(at / SECTOR) % 3 === 0 ? 97 + (at % 23) : 0;
      else if (kind === 1) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    }
    writeFileSync(qemu.file('content.raw'), content);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each([
    '',
    '--version 1',
    '--extent 512 --shuffle',
    '--extent 4096 --bitmap 700 --spare 9',
    '--version 1 --extent 1048576 --shuffle',
    '--extent 8388608',
  ])('with %s', async (options) => {
    const given = options.split(' ').filter((option) => option !== '');
    execFileSync('python3', [SCRIPT, 'disk.bochs', 'content.raw', ...given], { cwd: directory });
    qemu.img('compare', '-f', 'bochs', '-F', 'raw', 'disk.bochs', 'content.raw');
    await using disk = await openDiskFile(qemu.file('disk.bochs'));
    expect(disk.format).toBe('bochs');
    await expectContent(disk, content, random);
    await convertDiskFile(qemu.file('disk.bochs'), qemu.file('copy.qcow2'), { format: 'qcow2' });
    qemu.img('compare', '-f', 'qcow2', '-F', 'raw', 'copy.qcow2', 'content.raw');
    rmSync(qemu.file('copy.qcow2'));
  });
});
