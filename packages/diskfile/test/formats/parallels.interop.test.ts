import { asQemuMap, haveTools } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { openDiskFileSync } from '../../src/index.ts';
import { type Request, SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const haveQemu = haveTools('qemu-img', 'qemu-io');

const OPTIONS: [name: string, options: Record<string, string>, sizeBytes: number][] = [
  ['as it comes', {}, 9 * MIB + 512],
  ['small', { cluster_size: '4k' }, 9 * MIB],
  ['odd', { cluster_size: '32256' }, 9 * MIB + 3 * KIB],
  ['rounded up', { cluster_size: '70000' }, 9 * MIB],
  ['large clusters', { cluster_size: '4M' }, 9 * MIB],
];

/** Zeros are not among it: QEMU writes them as bytes, which is not worth the space. */
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
  ['over what is there', [[1, 3 * MIB + 77, 3 * MIB], 'reopen', [2, 0, 9 * MIB]]],
];

describe.skipIf(!haveQemu)('Parallels', () => {
  const pair = new SideBySide('parallels');
  afterAll(() => pair.remove());

  const cases = OPTIONS.flatMap(([name, options, sizeBytes], at) =>
    WORK.filter((_, index) => name === 'small' || (index + at) % 2 === 0).map(
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
      expect(pair.img('check', '-f', 'parallels', 'ours')).toContain('No errors');
      pair.expectSameContent('theirs');
      using disk = openDiskFileSync(pair.file('theirs'));
      expect(asQemuMap(disk.blockStatusSync())).toEqual(pair.map('theirs'));
    },
  );

  it.each([0, 100, 512 * KIB, MIB, 2 ** 41])(
    'has the header that QEMU makes for %d bytes',
    (sizeBytes) => {
      pair.create({ sizeBytes });
      pair.expectSameFiles();
    },
  );

  it('lets zeros be, and does not show what lay behind the clusters', () => {
    pair.create({ sizeBytes: 4 * MIB });
    pair.ours([
      ['zero', 0, 2 * MIB],
      [1, 100, 100],
      ['zero', 150, 10],
    ]);
    expect(pair.bytes('ours').length).toBe(2 * MIB);
    pair.io('ours', [
      'read -P 0 0 100',
      'read -P 1 100 50',
      'read -P 0 150 10',
      'read -P 0 200 3M',
    ]);
  });

  it('reads and writes the older kind, whose entries count sectors', () => {
    pair.create({ sizeBytes: 2 * MIB, options: { cluster_size: 65_024 } });
    pair.ours([[7, 70_000, 3000]]);
    const bytes = pair.bytes('ours');
    bytes.write('WithoutFreeSpace', 'latin1');
    // The data begins right behind the table, with the only cluster that there is.
    const older = Buffer.concat([bytes.subarray(0, 512), bytes.subarray(65_024)]);
    // QEMU 7.2 leaves a gap of 256 KiB where this is left out.
    older.writeUInt32LE(1, 48);
    older.writeUInt32LE(1, 68);
    pair.put('ours', older);
    pair.put('theirs', older);
    pair.expectSameContent('theirs');
    const requests: Request[] = [[3, 0, 200_000], [4, MIB, 100], 'reopen', [5, 600_000, 70_000]];
    pair.ours(requests);
    pair.theirs(requests);
    pair.expectSameFiles();
    pair.expectSameContent('theirs');
  });
});
