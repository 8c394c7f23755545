/** Disks that the program split has cut, by the names that it gives to parts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskFile } from '../../src/index.ts';
import { patternedContent } from '../support/generated-disks.ts';
import { expectContent } from '../support/read-checks.ts';

const SIZE = 2_100_224;

describe.skipIf(!haveTools('split', 'qemu-img'))('disks cut by split', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-split-'));
  const qemu = new QemuDirectory(directory);
  const random = new SeededRandom(11);
  const content = patternedContent(SIZE, 5);

  beforeAll(() => {
    writeFileSync(qemu.file('whole.raw'), content);
    qemu.img('convert', '-f', 'raw', '-O', 'qcow2', 'whole.raw', 'whole.qcow2');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const names: readonly (readonly [prefix: string, first: string, ...options: string[]])[] = [
    ['x', 'aa'],
    ['disk.raw.', 'aa'],
    ['disk.raw.', 'aaa', '-a', '3'],
    ['disk.raw.', '000', '-d', '-a', '3'],
    ['disk.raw.', '00001', '-a', '5', '--numeric-suffixes=1'],
    ['disk.part', '01', '-a', '2', '--numeric-suffixes=1'],
    ['disk.img.part-', 'aa'],
  ];
  it.each(names)('%s%s', async (prefix, first, ...options) => {
    for (const [index, kind] of ['raw', 'qcow2'].entries()) {
      const home = `${prefix}${first}-${index}`;
      mkdirSync(qemu.file(home));
      const target = join(qemu.file(home), prefix);
      execFileSync('split', ['-b', '100001', ...options, qemu.file(`whole.${kind}`), target]);
      await using disk = await openDiskFile(target + first);
      expect(disk.format).toBe(kind);
      await expectContent(disk, content, random);
    }
  });
});
