/** Fixed VHD disks as Azure takes them, by the steps that the README shows. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory } from '@diskfile/testkit';
import { afterAll, expect, it } from 'vitest';
import { convertDiskFile, openDiskFile } from '../../src/index.ts';

const MIB = 1024 * 1024;
const COMMAND = join(import.meta.dirname, '../../../disk-img/bin/disk-img.js');
const qemu = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-azure-')));
afterAll(() => rmSync(qemu.path, { recursive: true, force: true }));

it.skipIf(!haveTools('qemu-img'))('has whole MiB, and the size that it states', async () => {
  const content = Buffer.alloc(3 * MIB + 1536, 'some text of no length in particular ');
  for (const name of ['ours.raw', 'command.raw']) writeFileSync(qemu.file(name), content);
  {
    await using disk = await openDiskFile(qemu.file('ours.raw'), {
      format: 'raw',
      readOnly: false,
    });
    await disk.capabilities.resizing!.resize(Math.ceil(disk.sizeBytes / MIB) * MIB);
  }
  await convertDiskFile(qemu.file('ours.raw'), qemu.file('ours.vhd'), {
    format: 'vhd',
    options: { subformat: 'fixed', force_size: true },
    source: { format: 'raw' },
  });
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [COMMAND, ...args], { cwd: qemu.path });
  const options = ['-f', 'raw', '-O', 'vpc', '-o', 'subformat=fixed,force_size=on'];
  run('resize', '-f', 'raw', 'command.raw', '4M');
  run('convert', ...options, 'command.raw', 'command.vhd');
  qemu.img('convert', ...options, 'command.raw', 'theirs.vhd');

  const whole = Buffer.alloc(4 * MIB);
  content.copy(whole);
  const [ours, command, theirs] = ['ours', 'command', 'theirs'].map((name) => {
    const image = readFileSync(qemu.file(`${name}.vhd`));
    expect(image.subarray(0, 4 * MIB).equals(whole)).toBe(true);
    const footer = image.subarray(4 * MIB);
    // The time, the checksum and the id of the disk.
    footer.fill(0, 24, 28).fill(0, 64, 84);
    return footer;
  });
  expect(theirs!.length).toBe(512);
  expect(theirs!.readBigUInt64BE(48)).toBe(BigInt(4 * MIB));
  expect(ours!.equals(theirs!)).toBe(true);
  expect(command!.equals(theirs!)).toBe(true);
  await using disk = await openDiskFile(qemu.file('ours.vhd'));
  expect([disk.format, disk.sizeBytes]).toEqual(['vhd', 4 * MIB]);
  expect(disk.info()[0]!.details['type']).toBe('fixed');
});
