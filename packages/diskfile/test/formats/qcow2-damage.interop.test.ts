/**
 * Damaged images against QEMU. What QEMU reads is read, with the same bytes and the same block
 * status; what QEMU refuses to read is refused.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canFindHoles } from '@diskfile/storage';
import { asQemuMap, haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiskError, openDiskFileSync } from '../../src/index.ts';
import { convertedBytes, wholeDisk } from '../support/qemu-parity.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');
const MUTATIONS_PER_IMAGE = 80;
/** Where QEMU reads zeros at offsets of petabytes, a file of that size is not believed in. */
const BEYOND_ALL_FILES = new Set([
  'qcow.offset-too-far',
  'qcow2.offset-too-far',
  'bytes.integer-above-2^53',
]);
/** Larger disks are not read whole. */
const LARGEST_DISK = 16 * 2 ** 20;

interface Source {
  readonly name: string;
  readonly format: 'qcow' | 'qcow2';
  make(directory: QemuDirectory): void;
}

const writes = ['write -P 1 0 30k', 'write -P 2 100k 9k', 'write -P 3 300k 33k'];
const zeros = ['write -z 120k 20k', 'write -z -u 200k 16k', 'discard 310k 8k'];

function create(directory: QemuDirectory, name: string, options: string): void {
  directory.img('create', '-q', '-f', 'qcow2', '-o', options, name, '512k');
}

const SOURCES: readonly Source[] = [
  {
    name: 'version3',
    format: 'qcow2',
    make(directory) {
      create(directory, this.name, 'cluster_size=4k');
      directory.io(this.name, [...writes, ...zeros]);
      directory.img('snapshot', '-c', 'one', this.name);
      directory.io(this.name, ['write -P 9 0 8k']);
    },
  },
  {
    name: 'version2',
    format: 'qcow2',
    make(directory) {
      create(directory, this.name, 'compat=0.10,cluster_size=512');
      directory.io(this.name, writes);
    },
  },
  {
    name: 'compressed',
    format: 'qcow2',
    make(directory) {
      create(directory, 'plain', 'cluster_size=4k');
      directory.io('plain', [...writes, ...zeros]);
      directory.img('convert', '-c', '-O', 'qcow2', '-o', 'cluster_size=8k', 'plain', this.name);
    },
  },
  {
    name: 'extended',
    format: 'qcow2',
    make(directory) {
      create(directory, this.name, 'extended_l2=on,cluster_size=16k');
      directory.io(this.name, [...writes, ...zeros]);
    },
  },
  {
    name: 'version1',
    format: 'qcow',
    make(directory) {
      directory.img('create', '-q', '-f', 'qcow', this.name, '512k');
      directory.io(this.name, writes, '-f', 'qcow');
    },
  },
];

/** Host ranges of an image where a change means something: the header, L1 and L2 tables. */
function metadataRanges(bytes: Buffer, format: Source['format']): [start: number, end: number][] {
  const l1 = Number(bytes.readBigUInt64BE(40));
  const l2 = Number(bytes.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
  const headerEnd = format === 'qcow' ? 48 : 112;
  return [
    [0, headerEnd],
    [0, headerEnd],
    [l1, l1 + 16],
    [l2, l2 + 512],
    [l2, l2 + 512],
    [l2, l2 + 512],
  ];
}

function damage(bytes: Buffer, format: Source['format'], random: SeededRandom): Buffer {
  const damaged = Buffer.from(bytes);
  const ranges = metadataRanges(bytes, format);
  const changes = 1 + random.below(2);
  for (let count = 0; count < changes; count++) {
    const [start, end] = random.pick(ranges);
    const at = Math.min(start + random.below(end - start), bytes.length - 1);
    switch (random.below(3)) {
      case 0:
        damaged[at]! ^= 1 << random.below(8);
        break;
      case 1:
        damaged[at] = random.pick([0, 1, 2, 0x40, 0x7f, 0x80, 0xff]);
        break;
      default:
        damaged.copy(damaged, at - (at % 8), start, start + 8);
    }
  }
  return damaged;
}

type Outcome = 'refused' | { readonly bytes: Uint8Array; readonly map: unknown };

/** Cases that prove nothing. */
type Untold = 'too large' | 'key needed';

function byQemu(directory: QemuDirectory, name: string, format: string): Outcome | Untold {
  try {
    const info = JSON.parse(directory.img('info', '--output=json', '-f', format, name)) as {
      'virtual-size': number;
    };
    if (info['virtual-size'] > LARGEST_DISK) return 'too large';
    const bytes = convertedBytes(directory, '-f', format, name);
    // An empty disk has one entry of no length there.
    const map = directory.map(name).filter(({ length }) => length > 0);
    return { bytes, map };
  } catch (error) {
    // It wants the key of an encrypted disk to open it, we to read an encrypted cluster.
    return /key-?secret/.test(String(error)) ? 'key needed' : 'refused';
  }
}

/** @throws whatever is no DiskError. */
function byUs(directory: QemuDirectory, name: string, format: string): Outcome | DiskError {
  try {
    using disk = openDiskFileSync(directory.file(name), { format });
    return { bytes: wholeDisk(disk), map: asQemuMap(disk.blockStatusSync()) };
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

describe.skipIf(!haveQemu)('damaged images', () => {
  let directory: QemuDirectory;

  beforeAll(() => {
    directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-damage-')));
  });
  afterAll(() => rmSync(directory.path, { recursive: true, force: true }));

  it.each(SOURCES)('$name', (source) => {
    source.make(directory);
    const bytes = readFileSync(directory.file(source.name));
    const tally = { equal: 0, refused: 0, 'too large': 0, 'too far': 0, 'key needed': 0 };
    for (let seed = 1; seed <= MUTATIONS_PER_IMAGE; seed++) {
      writeFileSync(
        directory.file('damaged'),
        damage(bytes, source.format, new SeededRandom(seed)),
      );
      const theirs = byQemu(directory, 'damaged', source.format);
      if (theirs === 'too large' || theirs === 'key needed') {
        tally[theirs] += 1;
        continue;
      }
      const ours = byUs(directory, 'damaged', source.format);
      const context = `seed ${seed}: ${ours instanceof DiskError ? ours.describe() : 'read'}`;
      if (theirs === 'refused') {
        expect(ours, context).toBeInstanceOf(DiskError);
        tally.refused += 1;
        continue;
      }
      if (ours instanceof DiskError && BEYOND_ALL_FILES.has(ours.detail)) {
        tally['too far'] += 1;
        continue;
      }
      expect(ours, context).not.toBeInstanceOf(DiskError);
      if (typeof ours !== 'object' || ours instanceof DiskError) continue;
      expect(Buffer.compare(ours.bytes, theirs.bytes), context).toBe(0);
      if (canFindHoles()) expect(ours.map, context).toEqual(theirs.map);
      tally.equal += 1;
    }
    // Damage that always or never matters would prove nothing.
    expect(tally.equal).toBeGreaterThan(5);
    expect(tally.refused).toBeGreaterThan(5);
  });
});
