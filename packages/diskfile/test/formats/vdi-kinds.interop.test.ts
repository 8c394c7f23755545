/** VDI images by an independent script; QEMU knows those that stand alone and have blocks of 1 MiB. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskFile } from '../../src/index.ts';
import { changedContent, GeneratedDisks, patternedContent } from '../support/generated-disks.ts';

const KIB = 1024;
const SIZE = 1200 * KIB + 3 * 512;

describe.skipIf(!haveTools('python3', 'qemu-img'))('VDI images', () => {
  const disks = new GeneratedDisks('vdi');
  const base = patternedContent(SIZE, 3);
  const middle = changedContent(base, 1).fill(0, 256 * KIB, 400 * KIB);
  const top = changedContent(middle, 2);

  beforeAll(() => {
    for (const [name, content] of Object.entries({ base, middle, top })) {
      disks.put(`${name}.raw`, content);
    }
  });
  afterAll(() => disks.remove());

  it.each([
    ['dynamic', '', 'QEMU, 7-Zip'],
    ['static', '', 'QEMU, 7-Zip'],
    ['dynamic', '--block 4096 --shuffle --spare 7', ''],
    ['dynamic', '--block 32768 --apart 5 --header 384 --comment für-Tests', ''],
    ['dynamic', '--block 65536 --extra 512 --shuffle', ''],
    ['static', '--block 8192 --extra 4096', ''],
    ['dynamic', '--block 16777216 --header 400', ''],
  ])('%s %s', async (kind, options, readers) => {
    disks.make(kind, 'alone.vdi', 'base.raw', options);
    await disks.expectDisk('alone.vdi', base);
    if (readers.includes('QEMU')) {
      disks.img('check', '-q', 'alone.vdi');
      disks.img('compare', '-f', 'vdi', '-F', 'raw', 'alone.vdi', 'base.raw');
    }
    if (readers.includes('7-Zip')) disks.expect7zip('alone.vdi', base);
  });

  const UUIDS = ['00112233-4455-6677-8899-aabbccddeeff', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'];
  const [lowest, second] = UUIDS.map((uuid) => `{${uuid}}.vdi`) as [string, string];
  const ids = UUIDS.map((uuid) => `--id ${uuid}`) as [string, string];

  /** VirtualBox calls the files of snapshots by their UUIDs, which is how parents are named. */
  it.each([
    ['', '', ''],
    ['--block 4096', '--block 65536 --shuffle', '--block 8192 --extra 512'],
    ['--block 262144 --extra 1024', '--block 4096', '--shuffle --block 16384'],
  ])('differencing, three in a chain: %s, %s, %s', async (below, between, above) => {
    const over = (parent: string, raw: string) => `--over ${parent} --base ${raw}.raw`;
    disks.makeAll([
      ['dynamic', lowest, 'base.raw', `${ids[0]} ${below}`],
      ['differencing', second, 'middle.raw', `${over(lowest, 'base')} ${ids[1]} ${between}`],
      ['undo', 'third.vdi', 'top.raw', `${over(second, 'middle')} ${above}`],
    ]);
    await disks.expectDisk(second, middle);
    await disks.expectDisk('third.vdi', top);
    await using disk = await openDiskFile(disks.file('third.vdi'));
    expect(disk.info().map(({ details }) => details['type'])).toEqual([
      'undo',
      'differencing',
      'dynamic',
    ]);
  });

  it.each([
    ['--version 0.1', 'vdi.version'],
    ['--block 65537', 'vdi.block-size'],
    ['--block 1536', 'vdi.block-size'],
    ['--extra 100', 'vdi.block-extra'],
    ['--over {} --base base.raw --link 11111111-2222-3333-4444-555555555555', 'gate.not-found'],
    [
      '--over {} --base base.raw --modified 11111111-2222-3333-4444-555555555555',
      'vdi.parent-modified',
    ],
  ])('are refused: %s', async (options, detail) => {
    const given = options.replace('{}', lowest);
    disks.makeAll([
      ['dynamic', lowest, 'base.raw', ids[0]],
      [given.includes('over') ? 'differencing' : 'dynamic', 'refused.vdi', 'middle.raw', given],
    ]);
    const opening = openDiskFile(disks.file('refused.vdi'));
    await expect(opening).rejects.toMatchObject({ detail });
  });

  it('refuse another parent under the name of theirs', async () => {
    disks.makeAll([
      ['dynamic', lowest, 'base.raw', ids[0]],
      ['differencing', 'child.vdi', 'middle.raw', `--over ${lowest} --base base.raw`],
      ['dynamic', lowest, 'base.raw', ids[1]],
    ]);
    await expect(openDiskFile(disks.file('child.vdi'))).rejects.toMatchObject({
      detail: 'vdi.parent-mismatch',
    });
  });
});
