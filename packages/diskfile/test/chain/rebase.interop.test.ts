/** `rebaseDiskFile` and `flattenDiskFile` beside `qemu-img rebase`, on chains of all kinds. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { DiskError, flattenDiskFile, rebaseDiskFile } from '../../src/index.ts';
import { makeFork, SCENARIOS } from '../support/chain-scenarios.ts';
import { ImageTemplate, infoFacts, ownRanges } from '../support/twin-directories.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');

describe.skipIf(!haveQemu).each(SCENARIOS)(
  'an image is rebased as by qemu-img: %s',
  (_, scenario) => {
    const template = new ImageTemplate((directory) => makeFork(directory, scenario, 1));
    afterAll(() => template.remove());

    it.each([
      ['other.qcow2', 'qcow2'],
      ['base.raw', 'raw'],
      ['middle.qcow2', 'qcow2'],
      [undefined, undefined],
    ])('onto %s', async (backing, backingFormat) => {
      using pair = template.twins();
      const before = pair.snapshotOf('top.qcow2');
      const format = backingFormat === undefined ? [] : ['-F', backingFormat];
      pair.theirs.img('rebase', '-b', backing ?? '', ...format, 'top.qcow2');
      const { warnings } = await rebaseDiskFile(pair.ours.file('top.qcow2'), { backing });
      expect(warnings).toEqual([]);
      pair.expectAlike('top.qcow2');
      pair.expectContent('top.qcow2', before);
      expect(ownRanges(pair.ours, 'top.qcow2')).toEqual(ownRanges(pair.theirs, 'top.qcow2'));
    });

    it('by name only', async () => {
      using pair = template.twins();
      for (const backing of ['other.qcow2', undefined]) {
        const args = backing === undefined ? ['-b', ''] : ['-b', backing, '-F', 'qcow2'];
        pair.theirs.img('rebase', '-u', ...args, 'top.qcow2');
        await rebaseDiskFile(pair.ours.file('top.qcow2'), { backing, unsafe: true });
        pair.expectAlike('top.qcow2');
      }
    });

    it('flattened', async () => {
      using pair = template.twins();
      const before = pair.snapshotOf('top.qcow2');
      await flattenDiskFile(pair.ours.file('top.qcow2'));
      pair.theirs.img('rebase', '-b', '', 'top.qcow2');
      pair.expectAlike('top.qcow2');
      pair.expectContent('top.qcow2', before);
      await flattenDiskFile(pair.ours.file('top.qcow2'));
      pair.expectAlike('top.qcow2');
    });
  },
);

describe.skipIf(!haveQemu)('what qemu-img rebase refuses is refused', () => {
  const [, scenario] = SCENARIOS[0]!;
  const template = new ImageTemplate((directory) => makeFork(directory, scenario, 5));
  afterAll(() => template.remove());
  const cases: [
    name: string,
    args: string[],
    ours: () => Parameters<typeof rebaseDiskFile>[1],
    image?: string,
  ][] = [
    [
      'a missing file',
      ['-b', 'gone', '-F', 'raw'],
      () => ({ backing: 'gone', backingFormat: 'raw' }),
    ],
    [
      'a wrong format',
      ['-b', 'source.raw', '-F', 'qcow2'],
      () => ({ backing: 'source.raw', backingFormat: 'qcow2' }),
    ],
    [
      'an unknown format',
      ['-b', 'base.raw', '-F', 'foo'],
      () => ({ backing: 'base.raw', backingFormat: 'foo' }),
    ],
    ['the image itself', ['-b', 'top.qcow2', '-F', 'qcow2'], () => ({ backing: 'top.qcow2' })],
    ['a raw image', ['-b', '', '-f', 'raw'], () => ({ format: 'raw' }), 'base.raw'],
    [
      'a name that is too long',
      ['-u', '-b', 'x'.repeat(1024), '-F', 'raw'],
      () => ({ backing: 'x'.repeat(1024), backingFormat: 'raw', unsafe: true }),
    ],
  ];

  it.each(cases)('%s', async (_, args, options, image = 'top.qcow2') => {
    using pair = template.twins();
    const before = infoFacts(pair.ours, image);
    expect(pair.theirs.succeeds('rebase', ...args, image)).toBe(false);
    await expect(rebaseDiskFile(pair.ours.file(image), options())).rejects.toThrowError(DiskError);
    expect(infoFacts(pair.ours, image)).toEqual(before);
  });
});
