/** VHD, VHDX and VDI are written as QEMU writes them, byte for byte: blocks take the same places. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { convertDiskFileSync } from '../../src/index.ts';
import { patternedContent } from '../support/generated-disks.ts';
import { withoutIds, withoutLog } from '../support/same-but-ids.ts';
import { type Request, SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const WORK: [name: string, requests: Request[]][] = [
  [
    'out of order',
    [
      [1, 9 * MIB, 64 * KIB],
      [2, 4 * MIB + 512, 512],
      [3, 0, 4 * KIB],
      'flush',
      [4, 6 * MIB - 512, 1024],
    ],
  ],
  [
    'over borders',
    [[1, 2 * MIB - 100, 200], [2, 3 * MIB - 70_000, 3 * MIB], 'reopen', [3, MIB, 9 * MIB]],
  ],
  [
    'zeros',
    [
      [1, MIB, MIB],
      ['zero', MIB + 4096, 8192],
      [2, 7 * MIB, 512],
      ['zero', 7 * MIB, 512],
    ],
  ],
  [
    'discards',
    [
      [1, 0, 6 * MIB],
      ['discard', 2 * MIB, 2 * MIB],
      ['discard', MIB + 512, 4096],
      'reopen',
      [2, 2 * MIB, 4096],
    ],
  ],
];

const KINDS: [format: string, options: Record<string, string | number>, sizeBytes: number][] = [
  ['vdi', {}, 10 * MIB + 512],
  ['vdi', { static: 'on' }, 10 * MIB],
  ['vpc', { force_size: 'on' }, 10 * MIB + 512],
  ['vpc', { subformat: 'fixed' }, 10 * MIB],
  ['vhdx', { block_size: MIB }, 10 * MIB + 512],
  ['vhdx', { block_size: 2 * MIB, block_state_zero: 'off' }, 10 * MIB],
  ['vhdx', { subformat: 'fixed', block_size: MIB }, 10 * MIB + 512],
  ['vhdx', { subformat: 'fixed', block_size: MIB, block_state_zero: 'off' }, 10 * MIB],
];

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('blocks lie where QEMU puts them', () => {
  const pairs = new Map(['vdi', 'vpc', 'vhdx'].map((format) => [format, new SideBySide(format)]));
  afterAll(() => pairs.forEach((pair) => pair.remove()));

  const cases = KINDS.flatMap(([format, options, sizeBytes], at) =>
    WORK.filter((_, index) => Math.floor(index / 2) === at % 2).map(
      ([name, requests]) => [format, options, name, sizeBytes, requests] as const,
    ),
  );
  /** Without ids; the log takes its entries as the program likes. */
  const comparable = (format: string, bytes: Buffer) => {
    const image = withoutIds(format, bytes);
    return format === 'vhdx' ? withoutLog(image) : image;
  };

  it.each(cases)('%s, %j: %s', (format, options, name, sizeBytes, requests) => {
    const pair = pairs.get(format)!;
    pair.create({ sizeBytes, options });
    pair.theirs(requests);
    pair.ours(requests);
    const ours = comparable(format, pair.bytes('ours'));
    const theirs = comparable(format, pair.bytes('theirs'));
    expect(ours.length).toBe(theirs.length);
    expect(ours.equals(theirs)).toBe(name !== 'discards');
    if (name !== 'discards') return;
    // QEMU keeps what is given up; here it is zeros.
    for (let at = 0; at < ours.length; at++) if (ours[at] === 0) theirs[at] = 0;
    expect(ours.equals(theirs)).toBe(true);
  });

  it.each(KINDS)('%s, %j, by converting', (format, options, sizeBytes) => {
    const pair = pairs.get(format)!;
    const content = patternedContent(sizeBytes, 5).fill(0, 2 * MIB, 5 * MIB);
    pair.put('content.raw', content);
    const list = Object.entries(options).flatMap((option) => ['-o', option.join('=')]);
    pair.img('convert', '-f', 'raw', '-O', format, ...list, 'content.raw', 'theirs');
    convertDiskFileSync(pair.file('content.raw'), pair.file('ours'), {
      format,
      options,
      source: { format: 'raw' },
      overwrite: true,
    });
    const [ours, theirs] = ['ours', 'theirs'].map((name) => comparable(format, pair.bytes(name)));
    expect(ours!.length).toBe(theirs!.length);
    expect(ours!.equals(theirs!)).toBe(true);
  });
});
