import { asQemuMap, haveTools } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { openDiskFileSync } from '../../src/index.ts';
import { type Request, SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const haveQemu = haveTools('qemu-img', 'qemu-io');

/** Tables of one cluster are not among them: QEMU cannot open what it makes then. */
const OPTIONS: [name: string, options: Record<string, string>, sizeBytes: number][] = [
  ['as it comes', {}, 20 * MIB + 512],
  ['small', { cluster_size: '4k', table_size: '2' }, 9 * MIB],
  ['large tables', { cluster_size: '16K', table_size: '16' }, 20 * MIB],
  ['large clusters', { cluster_size: '1M', table_size: '2' }, 20 * MIB + 3 * KIB],
];

/** Clusters of 4 KiB in tables of two have 4 MiB for each L2 table. */
const WORK: [name: string, requests: Request[]][] = [
  ['one cluster', [[1, 0, 64 * KIB]]],
  [
    'parts of clusters',
    [
      [1, 5 * KIB, 3 * KIB],
      [2, 6 * KIB, 100],
      [3, MIB - 1, 70 * KIB],
    ],
  ],
  ['backwards', [[1, 8 * MIB, 4 * KIB], [2, 4 * MIB, 5 * KIB], 'flush', [3, 2 * MIB, 3 * MIB]]],
  ['over tables', [[1, 3 * MIB + 77, 3 * MIB], 'reopen', [2, 0, 9 * MIB]]],
  ['zeros', [['zero', 2 * MIB, 2 * MIB], [7, 3 * MIB, 512], ['zero', 3 * MIB, MIB], 'flush']],
  [
    'zeros and data in turn',
    [
      [1, MIB, MIB],
      ['zero', 2 * MIB, MIB],
      'reopen',
      [3, 0, 4 * MIB],
      ['zero', MIB, 2 * MIB],
      [4, 8 * MIB, MIB],
    ],
  ],
];

describe.skipIf(!haveQemu)('QED', () => {
  const pair = new SideBySide('qed');
  afterAll(() => pair.remove());

  /** All with small clusters, where most happens, and some of the others. */
  const cases = OPTIONS.flatMap(([name, options, sizeBytes], at) =>
    WORK.filter((_, index) => name === 'small' || (index + at) % 3 === 0).map(
      ([work, requests]) => [name, work, options, sizeBytes, requests] as const,
    ),
  );

  it.each(cases)(
    'is made and written byte for byte as by QEMU, %s: %s',
    (_, _work, options, sizeBytes, requests) => {
      pair.create({ sizeBytes, options });
      pair.expectSameFiles();
      pair.theirs(requests);
      pair.ours(requests);
      pair.expectSameFiles();
      expect(pair.img('check', '-f', 'qed', 'ours')).toContain('No errors');
      pair.expectSameContent('theirs');
    },
  );

  it('allocates more at once than fits into memory twice, as QEMU does', () => {
    pair.create({ sizeBytes: 100 * MIB });
    const requests: Request[] = [[5, 3 * MIB, 60 * MIB]];
    pair.theirs(requests);
    pair.ours(requests);
    pair.expectSameFiles();
  });

  it.each(['raw', 'qcow2', 'qed'])('is made and written over a backing image: %s', (format) => {
    pair.img('create', '-q', '-f', format, `base.${format}`, '6M');
    pair.io(`base.${format}`, ['write -P 9 0 3M', 'write -P 8 5M 1M'], '-f', format);
    const backing = { name: `base.${format}`, format };
    pair.create({ sizeBytes: 8 * MIB, backing, options: { cluster_size: '16k', table_size: 2 } });
    pair.expectSameFiles();
    const requests: Request[] = [
      [1, 5 * KIB, 100],
      [2, 3 * MIB - 100, 200],
      ['zero', MIB, 64 * KIB],
      [3, 6 * MIB - 16 * KIB, 32 * KIB],
      [4, 8 * MIB - 512, 512],
    ];
    pair.theirs(requests);
    pair.ours(requests);
    pair.expectSameFiles();
    pair.expectSameContent('theirs');
    using disk = openDiskFileSync(pair.file('theirs'));
    expect(asQemuMap(disk.blockStatusSync())).toEqual(pair.map('theirs'));
    expect(disk.info()[0]!.backing).toEqual({
      name: `base.${format}`,
      format: format === 'raw' ? 'raw' : undefined,
    });
  });

  it('does not show the image below where zeros were written', () => {
    pair.img('create', '-q', '-f', 'raw', 'below.raw', '1M');
    pair.io('below.raw', ['write -P 9 0 1M'], '-f', 'raw');
    const backing = { name: 'below.raw', format: 'raw' };
    pair.create({ sizeBytes: MIB, backing });
    pair.ours([
      ['zero', 0, 128 * KIB],
      [1, 1000, 500],
      [2, 70 * KIB, 10],
    ]);
    pair.io('ours', ['read -P 0 0 1000', 'read -P 1 1000 500', 'read -P 0 1500 66k'], '-f', 'qed');
    pair.io('ours', ['read -P 9 128k 896k'], '-f', 'qed');
  });

  it('grows as by qemu-img', () => {
    pair.create({ sizeBytes: 100 * KIB });
    pair.theirs([[7, 0, 100 * KIB]]);
    pair.ours([[7, 0, 100 * KIB]]);
    pair.img('resize', '-q', '-f', 'qed', 'theirs', '5M');
    using disk = openDiskFileSync(pair.file('ours'), { readOnly: false });
    disk.capabilities.resizing!.resizeSync(5 * MIB);
    disk.closeSync();
    pair.expectSameFiles();
    expect(() => {
      using again = openDiskFileSync(pair.file('ours'), { readOnly: false });
      again.capabilities.resizing!.resizeSync(MIB, { shrink: true });
    }).toThrowError(expect.objectContaining({ detail: 'qed.shrink' }));
  });

  it('says what is below as qemu-img rebase does', () => {
    for (const name of ['a.raw', 'b.raw']) pair.img('create', '-q', '-f', 'raw', name, '1M');
    pair.img('create', '-q', '-f', 'qcow2', 'c', '1M');
    pair.create({ sizeBytes: MIB, backing: { name: 'a.raw', format: 'raw' } });
    const rebase = (name: string | undefined, format: string | undefined) => {
      const to = name === undefined ? ['-b', ''] : ['-b', name, '-F', format!];
      pair.img('rebase', '-u', '-f', 'qed', ...to, 'theirs');
      using disk = openDiskFileSync(pair.file('ours'), { readOnly: false });
      const backing = name === undefined ? undefined : { name, format };
      disk.capabilities.backing!.setReferenceSync(backing);
      expect(disk.info()[0]!.backing).toEqual(backing);
    };
    rebase('b.raw', 'raw');
    pair.expectSameFiles();
    rebase('c', 'qcow2');
    const [ours, theirs] = [pair.bytes('ours'), pair.bytes('theirs')];
    // Behind the name QEMU leaves what there was.
    expect(ours.subarray(0, 65).equals(theirs.subarray(0, 65))).toBe(true);
    rebase(undefined, undefined);
    expect(pair.img('info', '-f', 'qed', 'ours')).not.toContain('backing');
  });
});
