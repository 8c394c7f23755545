/** `commitDiskFile` beside `qemu-img commit`, on chains of all kinds. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { type ChainProgress, commitDiskFile, DiskError } from '../../src/index.ts';
import { makeFork, SCENARIOS } from '../support/chain-scenarios.ts';
import { ImageTemplate, ownRanges } from '../support/twin-directories.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');

describe.skipIf(!haveQemu).each(SCENARIOS)(
  'an image is committed as by qemu-img: %s',
  (_, scenario) => {
    const template = new ImageTemplate((directory) => makeFork(directory, scenario, 2));
    afterAll(() => template.remove());
    const hasSnapshots = scenario.snapshots ?? false;

    it.each([
      ['into the image below', [], {}],
      ['into the image below, keeping its content', ['-d'], { keepContent: true }],
      ['into the lowest image', ['-b', 'base.raw'], { base: 'base.raw' }],
    ])('%s', async (_into, args, options) => {
      using pair = template.twins();
      const before = pair.snapshotOf('top.qcow2');
      pair.theirs.img('commit', '-q', ...args, 'top.qcow2');
      await commitDiskFile(pair.ours.file('top.qcow2'), options);
      for (const name of ['top.qcow2', 'middle.qcow2']) {
        pair.expectAlike(name);
        // QEMU copies whole clusters where a copy of subclusters would do.
        if (name === 'top.qcow2' || !scenario.middle.extendedL2) {
          expect(ownRanges(pair.ours, name)).toEqual(ownRanges(pair.theirs, name));
        }
        if (hasSnapshots) pair.expectSnapshotAlike(name, 'before');
      }
      pair.theirs.img(
        'compare',
        '-q',
        '-f',
        'raw',
        '-F',
        'raw',
        'base.raw',
        pair.ours.file('base.raw'),
      );
      pair.expectContent('top.qcow2', before);
    });

    it('one after the other, down to the bottom', async () => {
      using pair = template.twins();
      const before = pair.snapshotOf('top.qcow2');
      const progress: ChainProgress[] = [];
      for (const name of ['top.qcow2', 'middle.qcow2', 'top.qcow2']) {
        pair.theirs.img('commit', '-q', name);
        await commitDiskFile(pair.ours.file(name), { onProgress: (at) => progress.push(at) });
      }
      pair.expectAlike('middle.qcow2');
      pair.expectAlike('top.qcow2');
      pair.theirs.img(
        'compare',
        '-q',
        '-f',
        'raw',
        '-F',
        'raw',
        'base.raw',
        pair.ours.file('base.raw'),
      );
      pair.expectContent('top.qcow2', before);
      expect(ownRanges(pair.ours, 'top.qcow2')).toEqual([]);
      const last = progress.at(-1)!;
      expect(last.doneBytes).toBe(last.totalBytes);
    });
  },
);

describe.skipIf(!haveQemu)('what qemu-img commit refuses is refused', () => {
  const [, scenario] = SCENARIOS[0]!;
  const template = new ImageTemplate((directory) => makeFork(directory, scenario, 3));
  afterAll(() => template.remove());

  it.each([
    ['an image that stands alone', [], {}, 'base.raw'],
    ['a base that is not below', ['-b', 'other.qcow2'], { base: 'other.qcow2' }, 'top.qcow2'],
    ['a base that is not there', ['-b', 'gone'], { base: 'gone' }, 'top.qcow2'],
    ['the image itself as its base', ['-b', 'top.qcow2'], { base: 'top.qcow2' }, 'top.qcow2'],
  ])('%s', async (_, args, options, image) => {
    using pair = template.twins();
    expect(
      pair.theirs.succeeds('commit', '-f', image === 'base.raw' ? 'raw' : 'qcow2', ...args, image),
    ).toBe(false);
    await expect(commitDiskFile(pair.ours.file(image), options)).rejects.toThrowError(DiskError);
    for (const name of ['top.qcow2', 'middle.qcow2']) pair.expectAlike(name);
  });
});
