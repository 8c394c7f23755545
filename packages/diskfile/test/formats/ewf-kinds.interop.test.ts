/** EWF images by an independent script: sections that other programs than ewfacquire write. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDiskFile, openDiskFile } from '../../src/index.ts';
import { GeneratedDisks, patternedContent } from '../support/generated-disks.ts';

const SECTOR = 512;
const SIZE = 40 * 32 * 1024 + 5 * SECTOR;

describe.skipIf(!haveTools('python3'))('EWF images', () => {
  const disks = new GeneratedDisks('ewf');
  const content = patternedContent(SIZE, 3);

  beforeAll(() => disks.put('content.raw', content));
  afterAll(() => disks.remove());

  /** libewf wants the first table, and no sections that it does not know. */
  it.each([
    ['', 'libewf'],
    ['--plain', 'libewf'],
    ['--no-base --table-chunks 7', 'libewf'],
    ['--tables first', 'libewf'],
    ['--tables second', ''],
    ['--gap 4', 'libewf'],
    ['--gap 60 --plain', 'libewf'],
    ['--table-chunks 1000', 'libewf'],
    ['--sections header,disk,chunks,done', 'libewf'],
    ['--sections header2,header,volume,chunks,session,error2,data,hash,done', 'libewf'],
    ['--sections header,volume,ltree,ltypes,xheader,xhash,incomplete,chunks,done', ''],
  ])('%s', async (options, readers) => {
    disks.make('e01', 'disk.E01', 'content.raw', options);
    await disks.expectDisk('disk.E01', content);
    const { findings } = await checkDiskFile(disks.file('disk.E01'));
    expect(findings).toEqual([]);
    if (readers === '' || !haveTools('ewfexport')) return;
    const target = disks.file('exported');
    const args = ['-u', '-q', '-f', 'raw', '-t', target, disks.file('disk.E01')];
    execFileSync('ewfexport', args, { stdio: 'ignore' });
    expect(readFileSync(`${target}.raw`).equals(content)).toBe(true);
  });

  it('tells where the medium could not be read', async () => {
    const sections = 'header,volume,chunks,error2,done';
    disks.make('e01', 'bad.E01', 'content.raw', `--sections ${sections}`);
    await using disk = await openDiskFile(disks.file('bad.E01'));
    expect(disk.info()[0]!.details['unreadSectors']).toEqual([{ firstSector: 5, sectorCount: 2 }]);
  });
});
