/** `rebaseDiskFile` and `flattenDiskFile` beside `qemu-img rebase`, on chains of all kinds. */
import { haveTools, type QemuDirectory, SeededRandom, writeMixedPayload } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { DiskError, flattenDiskFile, rebaseDiskFile } from '../src/index.ts';
import { type Below, makeImage, type Qcow2Options } from './support/qcow2-chain.ts';
import { infoFacts, ownRanges, TwinDirectories } from './support/twin-directories.ts';

const plain: Qcow2Options = {
  clusterBits: 16,
  version: 3,
  data: 'plain',
  refcountBits: 16,
  extendedL2: false,
  dataFile: 'none',
};

/** Names and sizes in MiB, from the bottom up; the last is the one that is rebased. */
interface Scenario {
  readonly top: Partial<Qcow2Options>;
  readonly middle: Partial<Qcow2Options>;
  readonly sizes: {
    readonly base: number;
    readonly middle: number;
    readonly top: number;
    readonly other: number;
  };
}

const SCENARIOS: [name: string, scenario: Scenario][] = [
  ['equal sizes', { top: {}, middle: {}, sizes: { base: 3, middle: 3, top: 3, other: 3 } }],
  [
    'small clusters over large ones',
    {
      top: { clusterBits: 9 },
      middle: { clusterBits: 21 },
      sizes: { base: 3, middle: 3, top: 3, other: 3 },
    },
  ],
  [
    'large clusters over small ones, the new image short',
    {
      top: { clusterBits: 20 },
      middle: { clusterBits: 10 },
      sizes: { base: 3, middle: 2, top: 4, other: 1.3 },
    },
  ],
  [
    'version 2, the old chain short',
    {
      top: { version: 2, clusterBits: 12 },
      middle: {},
      sizes: { base: 1, middle: 1.7, top: 3, other: 4 },
    },
  ],
  [
    'extended L2 entries, the new image long',
    {
      top: { extendedL2: true },
      middle: { extendedL2: true, clusterBits: 14 },
      sizes: { base: 4, middle: 4, top: 3.2, other: 5 },
    },
  ],
  [
    'data file, compressed below',
    {
      top: { dataFile: 'external' },
      middle: { data: 'zlib' },
      sizes: { base: 3, middle: 3, top: 3, other: 2 },
    },
  ],
  [
    'compressed, one-bit refcounts, short in the middle',
    {
      top: { data: 'zstd', refcountBits: 1 },
      middle: { version: 2 },
      sizes: { base: 4, middle: 1, top: 4, other: 4 },
    },
  ],
];

/** base.raw ← middle.qcow2 ← top.qcow2, and beside them base.raw ← other.qcow2. */
function makeFork(directory: QemuDirectory, { top, middle, sizes }: Scenario, seed: number): void {
  const random = new SeededRandom(seed);
  const bytes = (mebibytes: number) => Math.round(mebibytes * 2048) * 512;
  writeMixedPayload(directory.file('source.raw'), 256 * 1024, seed);
  writeMixedPayload(directory.file('base.raw'), bytes(sizes.base), seed + 1);
  const over = (below: string, belowFormat: string): Below => ({ below, belowFormat });
  const make = (name: string, options: Partial<Qcow2Options>, size: number, below: Below) =>
    makeImage(directory, name, { ...plain, ...options }, bytes(size), random, below);
  make('middle.qcow2', middle, sizes.middle, over('base.raw', 'raw'));
  make('top.qcow2', top, sizes.top, over('middle.qcow2', 'qcow2'));
  make('other.qcow2', { clusterBits: 13 }, sizes.other, over('base.raw', 'raw'));
}

const haveQemu = haveTools('qemu-img', 'qemu-io');

describe.skipIf(!haveQemu).each(SCENARIOS)(
  'an image is rebased as by qemu-img: %s',
  (_, scenario) => {
    const twins = (seed: number) =>
      new TwinDirectories((directory) => makeFork(directory, scenario, seed));

    it.each([
      ['other.qcow2', 'qcow2'],
      ['base.raw', 'raw'],
      ['middle.qcow2', 'qcow2'],
      [undefined, undefined],
    ])('onto %s', async (backing, backingFormat) => {
      for (let seed = 1; seed <= 2; seed++) {
        using pair = twins(seed);
        const before = pair.snapshotOf('top.qcow2');
        const format = backingFormat === undefined ? [] : ['-F', backingFormat];
        pair.theirs.img('rebase', '-b', backing ?? '', ...format, 'top.qcow2');
        const { warnings } = await rebaseDiskFile(pair.ours.file('top.qcow2'), { backing });
        expect(warnings).toEqual([]);
        pair.expectAlike('top.qcow2');
        pair.expectContent('top.qcow2', before);
        expect(ownRanges(pair.ours, 'top.qcow2')).toEqual(ownRanges(pair.theirs, 'top.qcow2'));
      }
    });

    it('by name only', async () => {
      using pair = twins(3);
      for (const backing of ['other.qcow2', undefined]) {
        const args = backing === undefined ? ['-b', ''] : ['-b', backing, '-F', 'qcow2'];
        pair.theirs.img('rebase', '-u', ...args, 'top.qcow2');
        await rebaseDiskFile(pair.ours.file('top.qcow2'), { backing, unsafe: true });
        pair.expectAlike('top.qcow2');
      }
    });

    it('flattened', async () => {
      using pair = twins(4);
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
    using pair = new TwinDirectories((directory) => makeFork(directory, scenario, 5));
    const before = infoFacts(pair.ours, image);
    expect(pair.theirs.succeeds('rebase', ...args, image)).toBe(false);
    await expect(rebaseDiskFile(pair.ours.file(image), options())).rejects.toThrowError(DiskError);
    expect(infoFacts(pair.ours, image)).toEqual(before);
  });
});
