/** Scripted damage to Parallels images: our check counts, and our repair leaves, what QEMU's does. */
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskFileSync } from '../../src/index.ts';
import { type Damage, DamagedCopies } from '../support/check/damaged-copies.ts';
import { SideBySide } from '../support/side-by-side.ts';

const KIB = 1024;
const CLUSTER = 64 * KIB;
const AT = { version: 16, tracks: 28, entries: 32, sectors: 36, inUse: 44, dataOff: 48, table: 64 };
const IN_USE = 0x746f_6e59;
const CLUSTERS_IN_FILE = 6;

const set =
  (at: number, value: number): Damage =>
  (image) =>
    image.setUint32(at, value, true);
const entry = (cluster: number, value: number) => set(AT.table + cluster * 4, value);
const all =
  (...damages: Damage[]): Damage =>
  (image) => {
    for (const damage of damages) damage(image);
  };
const resized =
  (change: number, then: Damage = () => {}): Damage =>
  (image) => {
    const bytes = new Uint8Array(Math.max(0, image.byteLength + change));
    bytes.set(new Uint8Array(image.buffer).subarray(0, bytes.length));
    then(new DataView(bytes.buffer));
    return bytes;
  };

const DAMAGES: [name: string, damage: Damage][] = [
  ['none', () => {}],
  ['not closed', set(AT.inUse, IN_USE)],
  ['a cluster that is gone', entry(2, 0)],
  ['the last cluster in the file gone', entry(5, 0)],
  ['an empty table', all(...Array.from({ length: 16 }, (_, at) => entry(at, 0)))],
  ['a file that is too long', resized(CLUSTER)],
  ['a file that is a little too long', resized(100)],
  ['a file that is much too long', resized(20 * CLUSTER + 1)],
  ['too long and not closed', resized(3 * CLUSTER, set(AT.inUse, IN_USE))],
  ['a file that was cut within a cluster', resized(-1000)],
  ['other geometry', all(set(20, 3), set(24, 5))],
];

/** Repairing these, QEMU makes the file as long as the wrong entries say. */
const OUTSIDE: [name: string, damage: Damage][] = [
  ['a cluster outside', entry(1, 100)],
  ['the first cluster outside', entry(0, 0xffff_ffff)],
  ['the last cluster outside', entry(12, 7_000_000)],
  ['two clusters outside', all(entry(0, 50), entry(4, 60))],
  ['not closed, and a cluster outside', all(set(AT.inUse, IN_USE), entry(3, 99))],
  ['too long, with a cluster outside', resized(CLUSTER, entry(0, 77))],
  ['a file that was cut to its first cluster', resized(-5 * CLUSTER)],
];

/** What is wrong, and QEMU does not count. */
const UNCOUNTED: [name: string, damage: Damage][] = [
  ['a cluster right behind the end', entry(1, CLUSTERS_IN_FILE)],
  ['a file that was cut', resized(-CLUSTER)],
  ['a file that was cut within a sector', resized(-CLUSTER - 100)],
  ['one cluster twice', entry(1, 1)],
  ['overlapping clusters', all(entry(0, 3), entry(1, 3), entry(2, 3))],
];

const REFUSED: [name: string, damage: Damage, detail: string][] = [
  ['version 3', set(AT.version, 3), 'parallels.magic'],
  ['clusters of no size', set(AT.tracks, 0), 'parallels.tracks'],
  ['huge clusters', set(AT.tracks, 0x7fff_ffff), 'parallels.tracks'],
  ['a huge table', set(AT.entries, 0xffff_ffff), 'parallels.nb-bat-entries'],
];

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('damaged Parallels images', () => {
  const pair = new SideBySide('parallels');
  let copies: DamagedCopies;

  beforeAll(() => {
    pair.create({ sizeBytes: 13 * CLUSTER, options: { cluster_size: CLUSTER } });
    pair.theirs([
      [1, 0, 3 * CLUSTER],
      [2, 7 * CLUSTER, 100],
      [3, 5 * CLUSTER, 100],
    ]);
    copies = new DamagedCopies(pair, 'parallels', 'theirs');
  });
  afterAll(() => pair.remove());

  it.each(DAMAGES)('%s', (_, damage) => copies.expectAlike(damage));

  it.each(OUTSIDE)('%s', (_, damage) => copies.expectAlike(damage, { isSameFile: false }));

  it.each(UNCOUNTED)('%s', (_, damage) => {
    copies.expectAlike(damage, { isCounted: false });
    const path = copies.damaged(damage);
    expect(() => openDiskFileSync(path, { readOnly: false })).toThrowError(
      expect.objectContaining({ detail: 'parallels.damaged' }),
    );
  });

  it.each(REFUSED)('are refused with %s', (_, damage, detail) => {
    expect(copies.expectRefused(damage)).toBe(detail);
  });

  it('that were not closed are written only once they are repaired', () => {
    const path = copies.damaged(set(AT.inUse, IN_USE));
    expect(() => pair.io('damaged', ['write 0 1k'], '-f', 'parallels')).toThrow(
      'not closed correctly',
    );
    expect(() => openDiskFileSync(path, { readOnly: false })).toThrowError(
      expect.objectContaining({ detail: 'parallels.not-closed' }),
    );
    using disk = openDiskFileSync(path);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['parallels.in-use']);
  });
});
