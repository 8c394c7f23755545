/** EWF images that libewf's tools make: every format that they write, over their options. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, pairwise, SeededRandom } from '@diskfile/testkit';
import { checkDiskFile, convertDiskFile, openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const present = haveTools('ewfacquire', 'ewfexport');

const SOURCE_BYTES = 1_200_128;
const FORMATS = [
  'ewf',
  'smart',
  'ftk',
  'encase1',
  'encase2',
  'encase3',
  'encase4',
  'encase5',
  'encase6',
  'encase7',
  'linen5',
  'linen6',
  'linen7',
  'ewfx',
];

function extensionOf(format: string): string {
  if (format === 'smart') return 's01';
  return format === 'ewf' || format === 'ewfx' ? 'e01' : 'E01';
}

describe.skipIf(!present)('images of ewfacquire', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-ewf-'));
  const random = new SeededRandom(1);
  const source = Buffer.alloc(SOURCE_BYTES);
  const sourcePath = join(directory, 'source.raw');

  beforeAll(() => {
    // Noise, text and zeros, so that some chunks get smaller and others do not.
    for (let at = 0; at < source.length; at++) {
      const kind = Math.floor(at / 70_000) % 3;
      if (kind === 0) source[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
      else if (kind === 1) source[at] = 97 + ((at * at) % 23);
    }
    writeFileSync(sourcePath, source);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function acquire(name: string, format: string, options: readonly string[]): string {
    const target = join(directory, name);
    const args = ['-u', '-q', '-f', format, '-t', target, ...options, sourcePath];
    execFileSync('ewfacquire', args, { stdio: 'ignore' });
    return `${target}.${extensionOf(format)}`;
  }

  const cases = pairwise({
    format: FORMATS,
    compression: ['none', 'empty-block', 'fast', 'best'],
    sectors: ['16', '64', '1024'],
    segment: ['1048576', '1500000000'],
    digest: ['', 'sha1'],
  });

  it.each(cases)(
    '$format, compression $compression, chunks of $sectors, segments of $segment, $digest',
    async ({ format, compression, sectors, segment, digest }) => {
      const name = [format, compression, sectors, segment, digest].join('-');
      const options = ['-c', compression, '-b', sectors, '-S', segment];
      if (digest !== '') options.push('-d', digest);
      const path = acquire(name, format, options);
      await using disk = await openDiskFile(path);
      expect(disk.format).toBe('ewf');
      await expectContent(disk, source, random);
      const { details } = disk.info()[0]!;
      expect(details['md5']).toBe(createHash('md5').update(source).digest('hex'));
      if (digest !== '' && /^(encase[67]|linen[67])/.test(format)) {
        expect(details['sha1']).toBe(createHash('sha1').update(source).digest('hex'));
      }
      const report = await checkDiskFile(path);
      expect(report.findings).toEqual([]);
      expect(report.allocatedClusters).toBe(report.totalClusters);
    },
  );

  it('has more than 99 segments', async () => {
    const large = join(directory, 'large.raw');
    writeFileSync(large, Buffer.concat(Array.from({ length: 90 }, () => source)));
    const target = join(directory, 'many');
    const args = ['-u', '-q', '-f', 'encase6', '-c', 'none', '-S', '1048576', '-t', target, large];
    execFileSync('ewfacquire', args, { stdio: 'ignore' });
    await using disk = await openDiskFile(`${target}.E01`);
    expect(disk.info()[0]!.details['segments']).toBeGreaterThan(100);
    const bytes = Buffer.alloc(disk.sizeBytes);
    await disk.read(bytes, 0);
    expect(bytes.equals(readFileSync(large))).toBe(true);
    await expect(openDiskFile(`${target}.EAA`)).rejects.toMatchObject({ detail: 'ewf.not-first' });
  });

  it('equals what ewfexport makes of it, converted', async () => {
    const path = acquire('export', 'encase6', ['-c', 'best']);
    const target = join(directory, 'exported');
    const args = ['-u', '-q', '-f', 'raw', '-t', target, path];
    execFileSync('ewfexport', args, { stdio: 'ignore' });
    await convertDiskFile(path, `${target}.ours`, { format: 'raw' });
    const theirs = readFileSync(`${target}.raw`);
    expect(readFileSync(`${target}.ours`).equals(theirs)).toBe(true);
  });
});
