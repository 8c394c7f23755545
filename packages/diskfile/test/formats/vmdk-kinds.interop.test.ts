/**
 * VMDK disks of the kinds that no tool here makes, by an independent script: whoever else knows a
 * kind reads the same in it. qemu-img knows nearly all of them, libvmdk and 7-Zip streams.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { checkDiskFile, openDiskFile } from '../../src/index.ts';
import { patternedContent } from '../support/generated-disks.ts';
import { expectContent } from '../support/read-checks.ts';

const SCRIPT = join(import.meta.dirname, '../../../../scripts/vmdk/vmdk.py');
const SECTOR = 512;
const KIB = 1024;
const SIZE = 1200 * KIB + 3 * SECTOR;

describe.skipIf(!haveTools('python3'))('VMDK disks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-vmdk-kinds-'));
  const qemu = new QemuDirectory(directory);
  const random = new SeededRandom(1);
  const content = patternedContent(SIZE, 1);
  const base = patternedContent(SIZE, 3);
  // The overlay leaves some of it as it is, and covers some with zeros.
  const top = Buffer.from(base);
  content.copy(top, 300_000, 300_000, 500_000);
  top.fill(0, 560_000, 700_000);

  beforeAll(() => {
    writeFileSync(qemu.file('content.raw'), content);
    writeFileSync(qemu.file('base.raw'), base);
    writeFileSync(qemu.file('top.raw'), top);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function make(kind: string, name: string, raw: string, options: readonly string[] = []): void {
    const args = [SCRIPT, kind, qemu.file(name), qemu.file(raw), ...options];
    execFileSync('python3', args, { cwd: directory });
  }

  async function expectDisk(name: string, expected: Buffer): Promise<void> {
    await using disk = await openDiskFile(qemu.file(name));
    expect(disk.format).toBe('vmdk');
    await expectContent(disk, expected, random);
    const { checkErrors, corruptions } = await checkDiskFile(qemu.file(name));
    expect([checkErrors, corruptions]).toEqual([0, 0]);
  }

  /**
   * QEMU knows no disks of several types, and where an extent ends within a grain it goes on reading
   * the rest of that, as libvmdk does. The specification has whole grains.
   */
  function isForQemu(kind: string, options: string): boolean {
    const [, extents = ''] = /--extents (\S+)/.exec(options) ?? [];
    return kind !== 'mixed' && extents.split(',').every((length) => Number(length) % 128 === 0);
  }

  const has7zz = haveTools('7zz');
  function by7zip(name: string): Buffer {
    const { stdout } = spawnSync('7zz', ['e', '-so', qemu.file(name)], { maxBuffer: 2 ** 28 });
    return stdout;
  }

  const kinds: [kind: string, options: string][] = [
    ['sparse', ''],
    ['sparse', '--shuffle --grain 8'],
    ['sparse', '--zeroed --grain 16 --entries 64'],
    ['split', '--extents 128,768'],
    ['split', '--extents 1,700,129'],
    ['split', '--extents 513,64 --grain 32 --shuffle'],
    ['mixed', '--extents 10,500,260,300,7'],
    ['cowd', '--grain 1'],
    ['cowd', '--grain 8 --shuffle'],
    ['sesparse', ''],
    ['sesparse', '--shuffle'],
    ['vmfs', ''],
  ];
  it.each(kinds)('%s %s', async (kind, options) => {
    const given = options.split(' ').filter((option) => option !== '');
    make(kind, 'disk.vmdk', 'content.raw', given);
    await expectDisk('disk.vmdk', content);
    if (isForQemu(kind, options)) {
      qemu.img('compare', '-f', 'vmdk', '-F', 'raw', 'disk.vmdk', 'content.raw');
    }
  });

  const streams: [options: string, readers: string][] = [
    // 7-Zip wants the last grain whole, QEMU writes it cut.
    ['', ''],
    ['--whole-last', '7zz'],
    ['--no-footer --whole-last', '7zz'],
    ['--grain 8 --entries 32', ''],
    ['--grain 2048', ''],
    ['--shuffle', ''],
  ];
  it.each(streams)('stream %s', async (options, readers) => {
    const given = options.split(' ').filter((option) => option !== '');
    make('stream', 'stream.vmdk', 'content.raw', given);
    await expectDisk('stream.vmdk', content);
    qemu.img('compare', '-f', 'vmdk', '-F', 'raw', 'stream.vmdk', 'content.raw');
    if (has7zz && readers === '7zz') expect(by7zip('stream.vmdk').equals(content)).toBe(true);
  });

  const parents = ['sparse', 'stream', 'vmfs', 'sesparse'];
  const overlays = [
    ['sparse', ''],
    ['sparse', '--zeroed --grain 16'],
    ['stream', '--grain 32'],
    ['split', '--extents 640,256'],
    ['mixed', '--extents 10,500,260'],
    ['cowd', '--grain 1'],
    ['sesparse', '--zeroed'],
  ].flatMap(([kind, options], index) =>
    [0, 1].map((other) => ({
      kind: kind!,
      options: options!,
      below: parents[(index + other * 2) % 4]!,
    })),
  );
  it.each(overlays)('$kind $options over $below', async ({ kind, options, below }) => {
    const given = options.split(' ').filter((option) => option !== '');
    make(below, 'base.vmdk', 'base.raw');
    make(kind, 'top.vmdk', 'top.raw', [...given, '--over', 'base.vmdk', '--base', 'base.raw']);
    await expectDisk('top.vmdk', top);
    if (isForQemu(kind, options)) {
      qemu.img('compare', '-f', 'vmdk', '-F', 'raw', 'top.vmdk', 'top.raw');
    }
  });
});
