/**
 * DMG images of every kind of chunk, made by an independent script, and what others read in them:
 * 7-Zip knows all of UDIF, qemu-img and dmg2img parts of it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, SeededRandom } from '@diskfile/testkit';
import { checkDiskFile, openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const SCRIPT = join(import.meta.dirname, '../../../../scripts/dmg/udif.py');
const SECTOR = 512;
const ALL_KINDS = 'raw,adc,zlib,bzip2,lzfse,lzvn,lzma';

describe.skipIf(!haveTools('python3'))('DMG images', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-dmg-'));
  const random = new SeededRandom(1);
  const source = Buffer.alloc(900 * SECTOR);
  const sourcePath = join(directory, 'source.raw');

  beforeAll(() => {
    // Text, noise and zeros, with copies from further and further back.
    for (let at = 0; at < source.length; at++) {
      const kind = Math.floor(at / 50_000) % 4;
      if (kind === 0) source[at] = 97 + ((at * at) % 23);
      else if (kind === 1) source[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
      else if (kind === 2) source[at] = source[at - 90_000 + Math.floor(at / 100)]!;
    }
    writeFileSync(sourcePath, source);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function make(options: readonly string[]): string {
    const path = join(directory, 'image.dmg');
    execFileSync('python3', [SCRIPT, path, sourcePath, ...options]);
    return path;
  }

  const has7zz = haveTools('7zz');
  /** The parts of the disk as 7-Zip extracts them; undefined where it finds an error. */
  function by7zip(path: string): Buffer {
    const target = mkdtempSync(join(directory, 'parts-'));
    const { status, stdout } = spawnSync('7zz', ['x', '-y', `-o${target}`, path]);
    expect(`${status} ${stdout.toString()}`).toMatch(/^0 .*Everything is Ok/s);
    const parts = readdirSync(target).toSorted();
    const whole = Buffer.concat(parts.map((name) => readFileSync(join(target, name))));
    rmSync(target, { recursive: true });
    return whole;
  }

  // The layout has nothing to do with how chunks are decoded, so each kind meets a few.
  const layouts = ['', '--resource-fork', '--front', '--data-start=4096', '--no-checksums'];
  const kinds = ['raw', 'adc', 'zlib', 'bzip2', 'lzfse', 'lzvn', 'lzma', ALL_KINDS];
  const cases = kinds.flatMap((chunks, index) =>
    ['8', '512'].map((sectors, other) => ({
      chunks,
      sectors,
      tables: String(1 + other * 2),
      layout: layouts[(index * 2 + other) % layouts.length]!,
    })),
  );

  it.each(cases)('$chunks of $sectors sectors in $tables $layout', async (options) => {
    const { chunks, sectors, tables, layout } = options;
    const args = ['--chunks', chunks, '--sectors', sectors, '--tables', tables];
    const path = make(layout === '' ? args : [...args, layout]);
    await using disk = await openDiskFile(path);
    expect(disk.format).toBe('dmg');
    await expectContent(disk, source, random);
    expect((await checkDiskFile(path)).findings).toEqual([]);
    // It names the parts of a resource fork otherwise.
    if (has7zz && layout !== '--resource-fork') expect(by7zip(path).equals(source)).toBe(true);
  });

  it.each(['70000', '1,200,100000', '0,5'])('in segments of %s bytes', async (lengths) => {
    const path = make(['--chunks', 'raw,zlib,lzma', '--sectors', '64', '--segments', lengths]);
    await using disk = await openDiskFile(path);
    await expectContent(disk, source, random);
    expect((await checkDiskFile(path)).findings).toEqual([]);
    const second = path.replace('.dmg', '.002.dmgpart');
    await expect(openDiskFile(second)).rejects.toMatchObject({ detail: 'dmg.not-first' });
    rmSync(second);
    await expect(openDiskFile(path)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('with LZFSE blocks of every kind', async () => {
    const path = make(['--chunks', 'lzfse-mixed', '--sectors', '512']);
    await using disk = await openDiskFile(path);
    await expectContent(disk, source, random);
  });

  it.skipIf(!haveTools('qemu-img')).each(['', '--resource-fork'])(
    'of plain and zlib chunks read as qemu-img reads them %s',
    (layout) => {
      const args = ['--chunks', 'raw,zlib', '--sectors', '128', '--tables', '2'];
      const path = make(layout === '' ? args : [...args, layout]);
      const target = `${path}.raw`;
      execFileSync('qemu-img', ['convert', '-f', 'dmg', '-O', 'raw', path, target], {
        stdio: 'ignore',
      });
      expect(readFileSync(target).equals(source)).toBe(true);
    },
  );

  it.skipIf(!haveTools('dmg2img'))('of ADC and bzip2 chunks read as dmg2img reads them', () => {
    const path = make(['--chunks', 'adc,bzip2', '--sectors', '128']);
    execFileSync('dmg2img', ['-s', path, `${path}.raw`]);
    expect(readFileSync(`${path}.raw`).equals(source)).toBe(true);
  });
});
