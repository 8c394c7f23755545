import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory } from '@diskfile/testkit';
import {
  compareDisksSync,
  convertDiskFile,
  convertDiskFileSync,
  createDiskFileSync,
  openDiskFileSync,
} from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZE_BYTES = 21 * MIB + 512;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-convert-'));
const qemu = new QemuDirectory(directory);
const file = (name: string) => qemu.file(name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Every kind of disk that can be written, with QEMU's name for its format. */
const KINDS: [name: string, format: string, qemuFormat: string, options: Record<string, string>][] =
  [
    ['raw', 'raw', 'raw', {}],
    ['qcow2', 'qcow2', 'qcow2', {}],
    ['small', 'qcow2', 'qcow2', { cluster_size: '512', compat: '0.10' }],
    ['subclusters', 'qcow2', 'qcow2', { extended_l2: 'on', compression_type: 'zstd' }],
    ['qcow', 'qcow', 'qcow', {}],
    ['qed', 'qed', 'qed', {}],
    ['parallels', 'parallels', 'parallels', {}],
    ['vdi', 'vdi', 'vdi', {}],
    ['vdi-static', 'vdi', 'vdi', { static: 'on' }],
    ['vhd', 'vhd', 'vpc', { force_size: 'on' }],
    ['vhd-fixed', 'vhd', 'vpc', { force_size: 'on', subformat: 'fixed' }],
    ['vhdx', 'vhdx', 'vhdx', {}],
    ['vhdx-fixed', 'vhdx', 'vhdx', { subformat: 'fixed', block_size: String(MIB) }],
    ['vmdk', 'vmdk', 'vmdk', {}],
    ['vmdk-flat', 'vmdk', 'vmdk', { subformat: 'monolithicFlat' }],
    ['vmdk-split', 'vmdk', 'vmdk', { subformat: 'twoGbMaxExtentSparse' }],
    ['vmdk-stream', 'vmdk', 'vmdk', { subformat: 'streamOptimized' }],
  ];

function makeSource(): void {
  createDiskFileSync(file('source.raw'), { format: 'raw', sizeBytes: SIZE_BYTES });
  const disk = openDiskFileSync(file('source.raw'), { format: 'raw', readOnly: false });
  const bytes = Buffer.alloc(300 * KIB + 77);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 9)) % 256;
  for (const offset of [0, 3 * MIB + 5, 12 * MIB, SIZE_BYTES - bytes.length]) {
    disk.writeSync(bytes, offset);
  }
  // Zeros within data, and data that compresses.
  disk.writeSync(new Uint8Array(100 * KIB), 12 * MIB + 64 * KIB);
  disk.writeSync(new Uint8Array(2 * MIB).fill(7), 16 * MIB);
  disk.closeSync();
}
makeSource();

/** What else knows a format, and tells how large the disk is. */
const OTHER_TOOLS: Readonly<Record<string, string>> = { vpc: 'vhdiinfo', vmdk: 'vmdkinfo' };

function expectSame(name: string, qemuFormat: string): void {
  const tool = OTHER_TOOLS[qemuFormat];
  if (tool !== undefined && haveTools(tool)) {
    const told = execFileSync(tool, [file(name)], { encoding: 'utf8' });
    expect(told).toContain(`(${SIZE_BYTES} bytes)`);
  }
  qemu.img('compare', '-f', 'raw', '-F', qemuFormat, 'source.raw', name);
  const [one, other] = [
    openDiskFileSync(file('source.raw'), { format: 'raw' }),
    openDiskFileSync(file(name), qemuFormat === 'raw' ? { format: 'raw' } : {}),
  ];
  expect(compareDisksSync(one, other)).toMatchObject({ identical: true, sizesDiffer: false });
  one.closeSync();
  other.closeSync();
}

describe('converting', () => {
  const source = { format: 'raw' };
  it.each(KINDS)('raw → %s', (name, format, qemuFormat, options) => {
    convertDiskFileSync(file('source.raw'), file(`from-raw.${name}`), { format, options, source });
    expectSame(`from-raw.${name}`, qemuFormat);
    if (!['raw', 'vpc', 'qcow'].includes(qemuFormat) && name !== 'vmdk-flat') {
      qemu.img('check', '-q', '-f', qemuFormat, `from-raw.${name}`);
    }
  });

  const pairs = KINDS.flatMap(([from]) =>
    KINDS.map(([to, format, qemuFormat, options]) => ({ from, to, format, qemuFormat, options })),
  );
  it.each(pairs)('$from → $to', async ({ from, to, format, qemuFormat, options }) => {
    const name = `pair.${to}`;
    const opening = from === 'raw' ? source : {};
    await convertDiskFile(file(`from-raw.${from}`), file(name), {
      format,
      options,
      source: opening,
      overwrite: true,
    });
    expectSame(name, qemuFormat);
  });

  it.each([
    ['zlib', '64k'],
    ['zstd', '64k'],
    ['zlib', '4k'],
    ['zstd', '2M'],
  ])('compressed: %s, clusters of %s', (compression, cluster) => {
    const name = `compressed-${compression}-${cluster}.qcow2`;
    const clusterBytes = cluster === '64k' ? 64 * KIB : cluster === '4k' ? 4 * KIB : 2 * MIB;
    convertDiskFileSync(file('source.raw'), file(name), {
      format: 'qcow2',
      options: { compression_type: compression, cluster_size: clusterBytes },
      compress: true,
      source,
    });
    expectSame(name, 'qcow2');
    const to = `cluster_size=${cluster},compression_type=${compression}`;
    qemu.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', to, 'source.raw', 'theirs.qcow2');
    const [ours, theirs] = [name, 'theirs.qcow2'].map(
      (each) => JSON.parse(qemu.img('check', '--output=json', each)) as Record<string, number>,
    );
    expect(ours!['compressed-clusters']).toBe(theirs!['compressed-clusters']);
    expect(ours!['allocated-clusters']).toBe(theirs!['allocated-clusters']);
  });

  it('leaves zeros out as qemu-img does', () => {
    convertDiskFileSync(file('source.raw'), file('sparse.qcow2'), { format: 'qcow2', source });
    qemu.img('convert', '-f', 'raw', '-O', 'qcow2', 'source.raw', 'sparse-theirs.qcow2');
    const data = (name: string) =>
      qemu
        .map(name)
        .filter((range) => range.data)
        .map(({ start, length }) => [start, length]);
    expect(data('sparse.qcow2')).toEqual(data('sparse-theirs.qcow2'));
  });

  it('keeps an image below', () => {
    qemu.img('create', '-q', '-f', 'qcow2', '-b', 'source.raw', '-F', 'raw', 'over.qcow2');
    qemu.io('over.qcow2', ['write -P 3 1M 200k', 'write -z 16M 1M']);
    convertDiskFileSync(file('over.qcow2'), file('kept.qcow2'), {
      format: 'qcow2',
      backing: { name: 'source.raw', format: 'raw' },
    });
    qemu.img('compare', 'over.qcow2', 'kept.qcow2');
    const held = qemu.map('kept.qcow2').filter(({ depth }) => depth === 0);
    expect(held.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(2 * MIB);
    convertDiskFileSync(file('over.qcow2'), file('alone.qcow2'), { format: 'qcow2' });
    qemu.img('compare', 'over.qcow2', 'alone.qcow2');
  });

  it('takes a part of the source, and writes into what is there', () => {
    const range = { guestOffset: 3 * MIB, lengthBytes: 2 * MIB };
    convertDiskFileSync(file('source.raw'), file('part.raw'), { format: 'raw', range, source });
    const whole = readFileSync(file('source.raw'));
    expect(readFileSync(file('part.raw')).equals(whole.subarray(3 * MIB, 5 * MIB))).toBe(true);
    qemu.img('create', '-q', '-f', 'qcow2', 'existing.qcow2', '30M');
    qemu.io('existing.qcow2', ['write -P 9 0 30M']);
    convertDiskFileSync(file('source.raw'), file('existing.qcow2'), {
      format: 'qcow2',
      intoExisting: true,
      source,
    });
    qemu.io('existing.qcow2', ['read -P 9 22M 8M', 'read -P 0 5M 6M']);
    const [small, large] = [
      openDiskFileSync(file('source.raw'), source),
      openDiskFileSync(file('existing.qcow2')),
    ];
    expect(compareDisksSync(small, large)).toMatchObject({
      kind: 'content',
      guestOffset: SIZE_BYTES,
    });
    small.closeSync();
    large.closeSync();
  });

  it.each([...KINDS, ['zstd', 'zstd', 'zstd', {}] as (typeof KINDS)[number]])(
    'leaves nothing behind when it is called off: %s',
    async (_, format, _qemuFormat, options) => {
      writeFileSync(file('there'), 'as it was');
      const before = readdirSync(directory).toSorted();
      let called = 0;
      // At once, and in the middle; the latter on the way to a file that is there.
      for (const calls of [0, 2]) {
        const controller = new AbortController();
        if (calls === 0) controller.abort();
        const work = convertDiskFile(file('source.raw'), file('there'), {
          format,
          options,
          source,
          overwrite: true,
          signal: controller.signal,
          onProgress: () => {
            called += 1;
            if (called === calls) controller.abort();
          },
        });
        await expect(work).rejects.toMatchObject({ code: 'aborted' });
      }
      expect(readdirSync(directory).toSorted()).toEqual(before);
      expect(readFileSync(file('there'), 'utf8')).toBe('as it was');
    },
  );
});
