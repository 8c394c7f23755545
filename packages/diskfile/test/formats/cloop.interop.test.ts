/** cloop images, genuine ones and others, as qemu-img reads them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildCloop, haveTools, SeededRandom } from '@diskfile/testkit';
import { openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

describe.skipIf(!haveTools('qemu-img'))('cloop images', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-cloop-'));
  const random = new SeededRandom(1);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each([512, 65_536, 262_144])('of blocks of %d bytes', async (blockBytes) => {
    const content = Buffer.alloc(524_288).map((_, at) =>
      at % 90_000 < 30_000 ? 0 : Math.imul(at, 0x9e37_79b1) >>> (at % 7 === 0 ? 24 : 30),
    );
    const path = join(directory, `image-${blockBytes}`);
    writeFileSync(path, buildCloop(content, blockBytes));
    execFileSync('qemu-img', ['convert', '-f', 'cloop', '-O', 'raw', path, `${path}.raw`]);
    expect(readFileSync(`${path}.raw`).equals(content)).toBe(true);
    await using disk = await openDiskFile(path);
    expect(disk.format).toBe('cloop');
    await expectContent(disk, content, random);
  });
});
