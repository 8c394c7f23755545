import { asQemuMap, haveTools, SeededRandom } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { convertDiskFileSync, openDiskFileSync } from '../../src/index.ts';
import { type Request, SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const haveQemu = haveTools('qemu-img', 'qemu-io');

/** Zeros are not among it: QEMU writes them as bytes, which is not worth the space. */
const WORK: [name: string, requests: Request[]][] = [
  ['one cluster', [[1, 0, 4 * KIB]]],
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
];

describe.skipIf(!haveQemu)('qcow version 1', () => {
  const pair = new SideBySide('qcow');
  afterAll(() => pair.remove());

  it.each([512, 5 * MIB, 9 * MIB + 512, 2 ** 42])(
    'is made byte for byte as by QEMU: %d bytes',
    (sizeBytes) => {
      pair.create({ sizeBytes });
      pair.expectSameFiles();
    },
  );

  it.each(WORK)('is written byte for byte as by QEMU: %s', (_, requests) => {
    pair.create({ sizeBytes: 9 * MIB + 512 });
    pair.theirs(requests);
    pair.ours(requests);
    pair.expectSameFiles();
    pair.expectSameContent('theirs');
    using disk = openDiskFileSync(pair.file('theirs'));
    expect(asQemuMap(disk.blockStatusSync())).toEqual(pair.map('theirs'));
  });

  it.each(['qcow', 'qcow2'])('is made and written over a backing image: %s', (format) => {
    pair.img('create', '-q', '-f', format, `base.${format}`, '3M');
    pair.io(`base.${format}`, ['write -P 9 0 1M', 'write -P 8 2M 1M'], '-f', format);
    pair.create({ sizeBytes: 4 * MIB, backing: { name: `base.${format}`, format } });
    pair.expectSameFiles();
    const requests: Request[] = [
      [1, 5 * KIB, 512],
      [2, MIB - 512, 4 * KIB],
      [3, 3 * MIB - 16 * KIB, 32 * KIB],
      [4, 4 * MIB - 512, 512],
    ];
    pair.theirs(requests);
    pair.ours(requests);
    pair.expectSameFiles();
    pair.expectSameContent('ours');
    // Less than a sector is what QEMU reads, and writes as a whole.
    pair.ours([
      [7, 100, 100],
      [6, 2 * MIB + 77, 2000],
    ]);
    pair.io(
      'ours',
      ['read -P 7 100 100', 'read -P 9 200 1k', 'read -P 6 2097229 2000'],
      '-f',
      'qcow',
    );
    pair.expectSameContent('ours');
  });

  it('holds compressed clusters as qemu-img makes them', () => {
    const random = new SeededRandom(5);
    const content = Buffer.alloc(6 * MIB + 512);
    content.fill('a line of text that is said again and again\n', 0, 2 * MIB);
    content.set(random.bytes(300 * KIB), 1 * MIB);
    content.fill(7, 5 * MIB);
    pair.put('content', content);
    const source = { format: 'raw' };
    convertDiskFileSync(pair.file('content'), pair.file('ours'), {
      format: 'qcow',
      compress: true,
      source,
      overwrite: true,
    });
    // It writes all of it, and then fails without a word.
    pair.succeeds('convert', '-c', '-f', 'raw', '-O', 'qcow', 'content', 'theirs');
    pair.expectSameFiles();
    for (const name of ['ours', 'theirs'])
      pair.img('compare', '-f', 'raw', '-F', 'qcow', 'content', name);
    pair.expectSameContent('theirs');
    const requests: Request[] = [
      [1, 100, 100],
      [2, MIB - 5, 20_000],
      [3, 5 * MIB, 4096],
    ];
    pair.theirs(requests);
    pair.ours(requests);
    pair.img('compare', '-f', 'qcow', '-F', 'qcow', 'ours', 'theirs');
  });
});
