/**
 * Compressed writes as the genuine tools see them: over combinations of options, `qemu-img check`
 * finds no error and no leak and the content is what was written; and where QEMU writes the same
 * clusters in the same order, the same image comes of it.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, pairwise, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskFile, openDiskFileSync } from '../../src/index.ts';
import {
  changeRandomly,
  type Codecs,
  contentFor,
  ENCODERS,
  openToCompress,
} from '../support/compressed-work.ts';
import { convertedBytes, wholeDisk } from '../support/qemu-parity.ts';
import { ReplayedEncoder } from '../support/replayed-encoder.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');

const CLUSTER_BITS = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];

interface Options {
  readonly clusterBits: number;
  readonly compression: 'zlib' | 'zstd';
  readonly version: 2 | 3;
  readonly refcountBits: number;
  readonly extendedL2: boolean;
  readonly lazy: boolean;
  readonly start: 'empty' | 'backing' | 'preallocated' | 'compressed by qemu-img' | 'snapshot';
  readonly codecs: Codecs;
}

function exists(options: Options): boolean {
  const { clusterBits, compression, version, refcountBits, extendedL2, lazy, start } = options;
  const onlyVersion3 = compression === 'zstd' || refcountBits !== 16 || extendedL2 || lazy;
  if (version === 2 && onlyVersion3) return false;
  if (extendedL2 && clusterBits < 14) return false;
  if (start === 'snapshot' && refcountBits < 8) return false;
  return !(lazy && refcountBits === 1 && start === 'compressed by qemu-img');
}

const rest = {
  version: 3,
  refcountBits: 16,
  extendedL2: false,
  lazy: false,
  start: 'empty',
  codecs: 'native',
} as const;

const cases: Options[] = [
  ...CLUSTER_BITS.flatMap((clusterBits) => [
    { ...rest, clusterBits, compression: 'zlib' as const },
    { ...rest, clusterBits, compression: 'zstd' as const },
  ]),
  ...pairwise(
    {
      clusterBits: [9, 12, 14, 16, 21],
      compression: ['zlib', 'zstd'],
      version: [2, 3],
      refcountBits: [1, 2, 4, 8, 16, 32, 64],
      extendedL2: [false, true],
      lazy: [false, true],
      start: ['empty', 'backing', 'preallocated', 'compressed by qemu-img', 'snapshot'],
      codecs: ['native', 'portable'],
    },
    exists,
  ),
];

function createOptions(options: Options): string {
  const { clusterBits, compression, version, refcountBits, extendedL2, lazy, start } = options;
  const list = [`cluster_size=${2 ** clusterBits}`, `compat=${version === 2 ? '0.10' : '1.1'}`];
  if (version === 3) {
    list.push(`refcount_bits=${refcountBits}`, `compression_type=${compression}`);
    list.push(`extended_l2=${extendedL2 ? 'on' : 'off'}`);
    list.push(`lazy_refcounts=${lazy ? 'on' : 'off'}`);
  }
  if (start === 'preallocated') list.push('preallocation=metadata');
  return list.join(',');
}

/** Makes `image` and returns what it holds. */
function makeStart(directory: QemuDirectory, options: Options, seed: number): Uint8Array {
  const random = new SeededRandom(seed + 1);
  const clusterBytes = 2 ** options.clusterBits;
  const sizeBytes = Math.max(600_000, 3 * clusterBytes) + 512 * random.below(100);
  const whole = Math.ceil(sizeBytes / 512) * 512;
  const create = createOptions(options);
  const model = new Uint8Array(whole);
  const { start } = options;
  if (start === 'backing' || start === 'compressed by qemu-img') {
    model.set(contentFor(random, start === 'backing' ? whole - 70_000 : whole));
    writeFileSync(directory.file('source.raw'), model);
  }
  if (start === 'compressed by qemu-img') {
    directory.img('convert', '-c', '-O', 'qcow2', '-o', create, 'source.raw', 'image');
  } else {
    const below = start === 'backing' ? ['-b', 'source.raw', '-F', 'raw'] : [];
    directory.img('create', '-q', '-f', 'qcow2', '-o', create, ...below, 'image', String(whole));
  }
  return model;
}

describe.skipIf(!haveQemu)('compressed writes', () => {
  let directory: QemuDirectory;

  beforeEach(() => {
    directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-compressed-')));
  });
  afterEach(() => rmSync(directory.path, { recursive: true, force: true }));

  it.each(cases.map((options, seed) => ({ ...options, seed })))(
    'are whole to QEMU: cluster 2^$clusterBits, $compression, version $version, refcount $refcountBits, extended L2 $extendedL2, lazy $lazy, $start, $codecs',
    async ({ seed, ...options }) => {
      const model = makeStart(directory, options, seed);
      const path = directory.file('image');
      const random = new SeededRandom(seed + 100);
      let kept: Uint8Array | undefined;
      for (let round = 0; round < 3; round++) {
        const disk = openToCompress(path, ENCODERS[options.codecs]);
        for (let step = 0; step < 12; step++) await changeRandomly(disk, model, random);
        expect(Buffer.compare(wholeDisk(disk), model)).toBe(0);
        await disk.close();
        directory.img('check', '-q', '-f', 'qcow2', 'image');
        expect(Buffer.compare(convertedBytes(directory, 'image'), model)).toBe(0);
        if (options.start === 'snapshot' && kept === undefined) {
          directory.img('snapshot', '-c', 'kept', 'image');
          kept = model.slice();
        }
      }
      if (kept === undefined) return;
      expect(Buffer.compare(convertedBytes(directory, '-l', 'kept', 'image'), kept)).toBe(0);
      directory.img('snapshot', '-d', 'kept', 'image');
      directory.img('check', '-q', '-f', 'qcow2', 'image');
    },
  );

  it('go on behind those of qemu-io, and qemu-io behind them', async () => {
    directory.img('create', '-q', '-f', 'qcow2', 'image', '4M');
    const model = new Uint8Array(4 * 1024 * 1024);
    const path = directory.file('image');
    for (let round = 0; round < 8; round++) {
      const start = round * 8 * 65_536;
      directory.io('image', [
        `write -c -P ${round + 1} ${start} 128k`,
        `write -P ${round + 101} ${start + 2 * 65_536} 64k`,
      ]);
      model.fill(round + 1, start, start + 2 * 65_536);
      model.fill(round + 101, start + 2 * 65_536, start + 3 * 65_536);
      await using disk = await openDiskFile(path, { readOnly: false });
      const content = contentFor(new SeededRandom(round + 1), 4 * 65_536);
      model.set(content, start + 65_536);
      await disk.capabilities.compression!.write(content, start + 65_536);
    }
    directory.img('check', '-q', 'image');
    expect(Buffer.compare(convertedBytes(directory, 'image'), model)).toBe(0);
  });

  it('take more effort at higher levels', async () => {
    const content = readFileSync(process.execPath).subarray(0, 8 * 1024 * 1024);
    for (const compression of ['zlib', 'zstd']) {
      const sizes: number[] = [];
      for (const level of [1, undefined, 9]) {
        const name = `${compression}-${level}`;
        const option = `compression_type=${compression}`;
        directory.img('create', '-q', '-f', 'qcow2', '-o', option, name, '8M');
        using disk = openDiskFileSync(directory.file(name), { readOnly: false });
        const { compression: writer } = disk.capabilities;
        if (level === undefined) await writer!.write(content, 0);
        else await writer!.write(content, 0, { level });
        await disk.close();
        directory.img('check', '-q', name);
        sizes.push(statSync(directory.file(name)).size);
      }
      expect(sizes[0]).toBeGreaterThan(sizes[1]!);
      expect(sizes[1]).toBeGreaterThan(sizes[2]!);
    }
  });
});

describe.skipIf(!haveQemu)('the same clusters written by qemu-io', () => {
  let directory: QemuDirectory;

  beforeEach(() => {
    directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-compressed-')));
  });
  afterEach(() => rmSync(directory.path, { recursive: true, force: true }));

  const layouts = CLUSTER_BITS.flatMap((clusterBits) =>
    [1, 2, 16, 64].map((refcountBits) => ({
      clusterBits,
      refcountBits,
      compression: refcountBits === 2 ? 'zstd' : 'zlib',
    })),
  );

  it.each(layouts)(
    'make the same image: cluster 2^$clusterBits, refcount $refcountBits, $compression',
    async ({ clusterBits, refcountBits, compression }) => {
      const clusterBytes = 2 ** clusterBits;
      const random = new SeededRandom(clusterBits * 100 + refcountBits);
      const clusters = clusterBits > 18 ? 12 : 60;
      const sizeBytes = (clusters - 1) * clusterBytes + 512;
      const create = `cluster_size=${clusterBytes},refcount_bits=${refcountBits},compression_type=${compression}`;
      for (const name of ['theirs', 'ours']) {
        directory.img('create', '-q', '-f', 'qcow2', '-o', create, name, String(sizeBytes));
      }
      const writes = shuffled(clusters, random).map((cluster) => {
        const length = Math.min(clusterBytes, sizeBytes - cluster * clusterBytes);
        return { cluster, content: contentFor(random, length), plain: random.below(6) === 0 };
      });
      const commands = writes.map(({ cluster, content, plain }) => {
        writeFileSync(directory.file(`data${cluster}`), content);
        const range = `${cluster * clusterBytes} ${content.length}`;
        return `write ${plain ? '' : '-c '}-s data${cluster} ${range}`;
      });
      directory.io('theirs', commands);
      const theirs = readFileSync(directory.file('theirs'));
      const encoder = new ReplayedEncoder(clusterBytes);
      for (const { cluster, content } of writes) await encoder.learn(theirs, cluster, content);
      const disk = openToCompress(directory.file('ours'), encoder);
      for (const { cluster, content, plain } of writes) {
        const target = plain ? disk : disk.capabilities.compression!;
        await target.write(content, cluster * clusterBytes);
      }
      await disk.close();
      directory.img('check', '-q', 'ours');
      const ours = readFileSync(directory.file('ours'));
      expect(ours.length).toBe(theirs.length);
      expect(Buffer.compare(ours, theirs)).toBe(0);
    },
  );
});

function shuffled(count: number, random: SeededRandom): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers;
}
