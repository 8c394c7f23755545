/** Scripted damage to QED images: our check counts, and our repair leaves, what QEMU's does. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Damage, DamagedCopies } from '../support/check/damaged-copies.ts';
import { SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CLUSTER = 4 * KIB;
const TABLE = 2 * CLUSTER;
const L1 = CLUSTER;
/** Data of the first request, then its L2 table; each request touches another table. */
const DATA = L1 + TABLE;
const L2 = DATA + 3 * CLUSTER;
const SECOND_DATA = L2 + TABLE;
const SECOND_L2 = SECOND_DATA + CLUSTER;

const set =
  (at: number, value: number): Damage =>
  (image) =>
    image.setBigUint64(at, BigInt(value), true);
const all =
  (...damages: Damage[]): Damage =>
  (image) => {
    for (const damage of damages) damage(image);
  };
const NEED_CHECK = set(16, 2);

const DAMAGES: [name: string, damage: Damage][] = [
  ['none', () => {}],
  ['need-check alone', NEED_CHECK],
  ['a cluster beyond the end', set(L2, 100 * MIB)],
  ['a cluster right behind the end', (image) => set(L2, image.byteLength)(image)],
  ['a cluster that is not aligned', set(L2 + 8, DATA + 512)],
  ['a cluster in the header', set(L2 + 8, 2)],
  ['an offset beyond 2^53', set(L2 + 8, 2 ** 60)],
  ['the highest offset', (image) => image.setBigUint64(L2, 0xffff_ffff_ffff_ffffn, true)],
  ['one cluster twice', set(L2 + 8, DATA)],
  ['one cluster in two tables', set(SECOND_L2, DATA)],
  ['one cluster three times', all(set(L2 + 8, DATA), set(L2 + 16, DATA))],
  ['a table as a cluster', set(L2 + 64, L2)],
  ['the L1 table as a cluster', set(L2 + 64, L1)],
  ['part of a table as a cluster', set(L2 + 64, SECOND_L2 + CLUSTER)],
  ['a cluster that is gone', set(L2, 0)],
  ['a cluster that has become zeros', set(L2 + 16, 1)],
  ['a table that is gone', set(L1, 0)],
  ['a table beyond the end', set(L1 + 8, 50 * MIB)],
  ['a table in the header', set(L1 + 8, 1)],
  ['a table that is not aligned', set(L1 + 8, SECOND_L2 + 8)],
  ['a table whose end is not there', (image) => set(L1, image.byteLength - CLUSTER)(image)],
  ['one table twice', set(L1 + 8, L2)],
  ['overlapping tables', set(L1 + 8, L2 + CLUSTER)],
  ['the L1 table as a table', set(L1 + 8, L1)],
  ['data as a table', set(L1 + 8, DATA)],
  ['need-check and wrong entries', all(NEED_CHECK, set(L2, 99 * MIB), set(L1 + 8, 7))],
  ['need-check and one cluster twice', all(NEED_CHECK, set(L2 + 8, DATA), set(L2, 99 * MIB))],
  ['a file cut within its last table', (image) => cut(image, image.byteLength - CLUSTER)],
  ['a file cut within a cluster', (image) => cut(image, L2 - 512)],
  ['a file with something behind it', (image) => grown(image, 3 * CLUSTER + 100)],
  ['a disk that ends earlier', set(48, 5 * KIB)],
];

function cut(image: DataView<ArrayBuffer>, lengthBytes: number): Uint8Array {
  return new Uint8Array(image.buffer, 0, lengthBytes);
}

function grown(image: DataView<ArrayBuffer>, extraBytes: number): Uint8Array {
  const bytes = new Uint8Array(image.byteLength + extraBytes).fill(0xee);
  bytes.set(new Uint8Array(image.buffer));
  return bytes;
}

const REFUSED: [name: string, damage: Damage, detail: string][] = [
  ['unknown features', set(16, 8), 'qed.features'],
  ['a cluster size of 2 KiB', (image) => image.setUint32(4, 2048, true), 'qed.cluster-size'],
  ['a table size of 3', (image) => image.setUint32(8, 3, true), 'qed.table-size'],
  ['an L1 table beyond the end', set(40, 100 * MIB), 'qed.l1-table-offset'],
  ['an L1 table that is not aligned', set(40, L1 + 512), 'qed.l1-table-offset'],
  ['half a sector', set(48, 9 * MIB + 100), 'qed.image-size'],
  ['more than tables can map', set(48, 2 ** 41), 'qed.image-size'],
  [
    'a name outside the header',
    all(set(16, 1), (image) => image.setUint32(56, 5000, true), set(60, 10)),
    'qed.backing-filename-offset',
  ],
];

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('damaged QED images', () => {
  const pair = new SideBySide('qed');
  let copies: DamagedCopies;

  beforeAll(() => {
    const options = { cluster_size: CLUSTER, table_size: 2 };
    pair.create({ sizeBytes: 9 * MIB, options });
    pair.theirs([
      [1, 0, 3 * CLUSTER],
      [2, 5 * MIB, 100],
      ['zero', MIB, CLUSTER],
      [3, 8 * MIB, 3 * CLUSTER],
    ]);
    copies = new DamagedCopies(pair, 'qed', 'theirs');
  });
  afterAll(() => pair.remove());

  it.each(DAMAGES)('%s', (_, damage) => copies.expectAlike(damage));

  it.each(REFUSED)('are refused with %s', (_, damage, detail) => {
    expect(copies.expectRefused(damage)).toBe(detail);
  });
});
