/** Apple's images that grow, made by an independent script: nothing here makes or reads them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, SeededRandom } from '@diskfile/testkit';
import { openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const SCRIPT = join(import.meta.dirname, '../../../../scripts/apple/sparse.py');
const KIB = 1024;
const SIZE = 5 * KIB * KIB + 12 * KIB;

describe.skipIf(!haveTools('python3'))('images of Apple that grow', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-apple-'));
  const random = new SeededRandom(1);
  const content = Buffer.alloc(SIZE);
  const file = (name: string) => join(directory, name);

  beforeAll(() => {
    for (let at = 0; at < SIZE; at++) {
      const kind = Math.floor(at / 370_000) % 5;
      // Scattered sectors, noise, and long stretches of nothing.
      if (kind === 0) content[at] = Math.floor(at / 4096) % 3 === 0 ? 97 + (at % 23) : 0;
      else if (kind === 1) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    }
    // One chunk that is written all over.
    content.fill('some words ', 3 * KIB * KIB, 4 * KIB * KIB + 100);
    writeFileSync(file('content.raw'), content);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each([
    ['sparseimage', ''],
    ['sparseimage', '--band 8 --shuffle'],
    ['sparseimage', '--band 100 --shuffle'],
    ['asif', ''],
    ['asif', '--shuffle --second'],
    ['asif', '--sector 4096'],
    ['asif', '--chunk 65536 --shuffle'],
  ])('%s %s', async (kind, options) => {
    const given = options.split(' ').filter((option) => option !== '');
    const path = file(`disk.${kind}`);
    execFileSync('python3', [SCRIPT, kind, path, file('content.raw'), ...given]);
    await using disk = await openDiskFile(path);
    expect(disk.format).toBe(kind);
    expect(disk.topology.logicalSectorBytes).toBe(options.includes('4096') ? 4096 : 512);
    await expectContent(disk, content, random);
  });
});
