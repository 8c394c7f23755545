/** What conversions can be told, beside `qemu-img convert`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QemuDirectory } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// Worker threads exist only where everything is built.
import {
  compareDisks,
  convertDiskFile,
  type ConvertDiskFileOptions,
  openDiskFile,
} from '../../dist/index.js';

const directory = mkdtempSync(join(tmpdir(), 'diskfile-convert-options-'));
const qemu = new QemuDirectory(directory);
const file = (name: string): string => qemu.file(name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

beforeAll(() => {
  qemu.img('create', '-q', '-f', 'raw', 'raw', String(20 * 2 ** 20 + 512));
  const writes = ['-P 7 0 3M', '-P 1 5000k 4k', '-P 2 5012k 1k', '-P 3 6M 700k', '-P 9 20M 512'];
  qemu.io('raw', [...writes.map((write) => `write ${write}`), 'write -P 0 1M 100k'], '-f', 'raw');
  qemu.img('convert', '-f', 'raw', '-O', 'qcow2', '-c', 'raw', 'deflate.qcow2');
});

async function expectSame(name: string, passphrase?: string): Promise<void> {
  await using one = await openDiskFile(file('raw'), { format: 'raw' });
  const options = passphrase === undefined ? {} : { passphrase };
  await using other = await openDiskFile(file(name), options);
  expect(await compareDisks(one, other)).toMatchObject({ identical: true, sizesDiffer: false });
}

describe('new images are those of qemu-img', () => {
  const CASES: [name: string, args: string[], options: ConvertDiskFileOptions][] = [
    ['qcow2', [], { format: 'qcow2' }],
    [
      'small clusters',
      ['-o', 'cluster_size=4k'],
      { format: 'qcow2', options: { cluster_size: '4k' } },
    ],
    ['subclusters', ['-o', 'extended_l2=on'], { format: 'qcow2', options: { extended_l2: 'on' } }],
    ['version 2', ['-o', 'compat=0.10'], { format: 'qcow2', options: { compat: '0.10' } }],
    [
      'preallocated',
      ['-o', 'preallocation=metadata'],
      { format: 'qcow2', options: { preallocation: 'metadata' } },
    ],
    ['longer zeros', ['-S', '64k'], { format: 'qcow2', sparseBytes: 65536 }],
    ['all of it', ['-S', '0'], { format: 'qcow2', sparseBytes: 0 }],
  ];
  it.each(CASES)('%s', async (_, args, options) => {
    qemu.img('convert', '-f', 'qcow2', '-O', 'qcow2', ...args, 'deflate.qcow2', 'theirs.qcow2');
    for (const workers of [0, 2]) {
      const own = { ...options, workers, overwrite: true };
      await convertDiskFile(file('deflate.qcow2'), file('ours.qcow2'), own);
      const images = ['ours.qcow2', 'theirs.qcow2'].map((name) => readFileSync(file(name)));
      expect(images[0]!.equals(images[1]!)).toBe(true);
    }
  });

  it('raw, as full and as sparse', async () => {
    for (const [size, sparseBytes] of [
      ['0', 0],
      ['4k', 4096],
      ['64k', 65536],
    ] as const) {
      qemu.img('convert', '-S', size, '-O', 'raw', 'deflate.qcow2', 'theirs.raw');
      const options = { format: 'raw', sparseBytes, workers: 2, overwrite: true };
      await convertDiskFile(file('deflate.qcow2'), file('ours.raw'), options);
      expect(readFileSync(file('ours.raw')).equals(readFileSync(file('raw')))).toBe(true);
      expect(qemu.map('ours.raw')).toEqual(qemu.map('theirs.raw'));
    }
  });
});

describe('encrypted targets', () => {
  it.each([
    ['luks', { format: 'luks' }],
    ['qcow2', { format: 'qcow2', options: { 'encrypt.format': 'luks' } }],
    [
      'preallocated qcow2',
      { format: 'qcow2', options: { 'encrypt.format': 'luks', preallocation: 'metadata' } },
    ],
  ] as const)('%s', async (_, { format, ...rest }) => {
    const given = 'options' in rest ? rest.options : {};
    const prefix = format === 'luks' ? '' : 'encrypt.';
    const options = { ...given, [`${prefix}iter-time`]: '10' };
    const own = { format, options, passphrase: 'secret', workers: 2, overwrite: true };
    await convertDiskFile(file('deflate.qcow2'), file('encrypted'), own);
    await expectSame('encrypted', 'secret');
    const key = `${prefix}key-secret=s`;
    const image = `driver=${format},file.filename=encrypted,${key}`;
    const object = ['--object', 'secret,id=s,data=secret'];
    qemu.img('compare', ...object, '--image-opts', 'driver=raw,file.filename=raw', image);
  });
});

describe('bitmaps', () => {
  it('are copied as they are', async () => {
    qemu.img('convert', '-O', 'qcow2', 'deflate.qcow2', 'marked.qcow2');
    for (const name of ['on', 'off', 'empty']) qemu.img('bitmap', '--add', 'marked.qcow2', name);
    qemu.img('bitmap', '--disable', 'marked.qcow2', 'empty');
    qemu.io('marked.qcow2', ['write 0 100k', 'write 9M 2M'], '-f', 'qcow2');
    qemu.img('bitmap', '--disable', 'marked.qcow2', 'off');
    qemu.io('marked.qcow2', ['write 19M 1k'], '-f', 'qcow2');
    const options = { format: 'qcow2', workers: 2, bitmaps: 'all' as const };
    const { bitmapsSkipped } = await convertDiskFile(
      file('marked.qcow2'),
      file('copy.qcow2'),
      options,
    );
    expect(bitmapsSkipped).toEqual([]);
    qemu.img('check', '-q', 'copy.qcow2');
    await using one = await openDiskFile(file('marked.qcow2'));
    await using other = await openDiskFile(file('copy.qcow2'));
    const [from, to] = [one.capabilities.bitmaps!, other.capabilities.bitmaps!];
    expect(to.list()).toEqual(from.list());
    for (const { name } of from.list()) {
      expect(Array.from(to.dirtyRangesSync(name))).toEqual(Array.from(from.dirtyRangesSync(name)));
    }
  });
});

describe('existing targets', () => {
  it.each(['raw', 'qcow2'])('%s keeps what lies behind', async (format) => {
    for (const name of ['ours', 'theirs']) {
      qemu.img('create', '-q', '-f', format, name, '30M');
      qemu.io(name, ['write -P 5 0 30M'], '-f', format);
    }
    qemu.img('convert', '-n', '-O', format, 'deflate.qcow2', 'theirs');
    await convertDiskFile(file('deflate.qcow2'), file('ours'), { format, intoExisting: true });
    qemu.img('compare', '-f', format, '-F', format, 'ours', 'theirs');
  });

  it.each(['raw', 'qcow2', 'vmdk', 'vhdx'])(
    '%s is taken for zeros where that is said',
    async (format) => {
      for (const name of ['ours', 'theirs']) {
        qemu.img('create', '-q', '-f', format, name, '30M');
        // What is said is believed: this stays.
        qemu.io(name, ['write -P 5 4M 1M'], '-f', format);
      }
      qemu.img('convert', '-n', '--target-is-zero', '-O', format, 'deflate.qcow2', 'theirs');
      const options = { format, intoExisting: true, targetIsZero: true };
      await convertDiskFile(file('deflate.qcow2'), file('ours'), options);
      qemu.img('compare', '-f', format, '-F', format, 'ours', 'theirs');
      qemu.io('ours', ['read -P 5 4M 512k', 'read -P 7 0 1M'], '-f', format);
    },
  );
});
