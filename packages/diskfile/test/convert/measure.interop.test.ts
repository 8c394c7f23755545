/** Sizes of images to be, beside `qemu-img measure`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pairwise, QemuDirectory } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureDiskFileSync } from '../../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'diskfile-measure-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SOURCES = ['raw', 'qcow2', 'qcow2-v2', 'overlay', 'deflate', 'vdi', 'empty'];

beforeAll(() => {
  qemu.img('create', '-q', '-f', 'raw', 'raw', '70000128');
  qemu.io('raw', ['write 0 1M', 'write 5000192 70144', 'write 69999616 512'], '-f', 'raw');
  qemu.img('convert', '-f', 'raw', '-O', 'qcow2', 'raw', 'qcow2');
  qemu.img('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'compat=0.10', 'raw', 'qcow2-v2');
  qemu.img('convert', '-f', 'raw', '-O', 'qcow2', '-c', 'raw', 'deflate');
  qemu.img('convert', '-f', 'raw', '-O', 'vdi', 'raw', 'vdi');
  qemu.img('create', '-q', '-f', 'qcow2', 'empty', '3T');
  qemu.img('create', '-q', '-f', 'qcow2', '-b', 'qcow2', '-F', 'qcow2', 'overlay', '80M');
  const clusters = ['write -z 0 192k', 'write 30M 100k', 'discard 64k 64k'];
  qemu.io('overlay', clusters, '-f', 'qcow2');
  qemu.img('bitmap', '--add', 'overlay', 'first');
  qemu.img('bitmap', '--add', '-g', '512', 'overlay', 'a name of some length, in ünïcode');
});

const cases = pairwise(
  {
    of: [...SOURCES, '--size=1000000001', '--size=0', '--size=10T'],
    cluster_size: [undefined, '4096', '2M', '16k'],
    refcount_bits: [undefined, '1', '64'],
    extended_l2: [undefined, 'on'],
    preallocation: [undefined, 'metadata', 'falloc', 'full'],
    data_file: [undefined, 'elsewhere'],
    backing: [undefined, 'below'],
  },
  ({ of, cluster_size, extended_l2 }) =>
    cluster_size !== '4096' || (extended_l2 === undefined && of !== '--size=10T'),
);

function checked(format: string, of: string, own: Record<string, string>, backing: boolean): void {
  const named = Object.entries({
    ...own,
    ...(backing ? { backing_file: 'below', backing_fmt: 'raw' } : {}),
  });
  const args = named.flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const size = /^--size=(\d+)(T?)$/.exec(of);
  const sourceFormat = of === 'raw' || of === 'vdi' ? of : 'qcow2';
  const source = size === null ? ['-f', sourceFormat, of] : ['--size', `${size[1]}${size[2]}`];
  const command = ['measure', '--output=json', '-O', format, ...args, ...source];
  const bytes = size && Number(size[1]) * (size[2] === 'T' ? 2 ** 40 : 1);
  const measured = measureDiskFileSync(bytes ?? qemu.file(of), {
    format,
    options: own,
    hasBacking: backing,
    source: { format: sourceFormat },
  });
  const { requiredBytes, fullyAllocatedBytes, bitmapsBytes } = measured;
  expect({
    required: requiredBytes,
    'fully-allocated': fullyAllocatedBytes,
    ...(bitmapsBytes === undefined ? {} : { bitmaps: bitmapsBytes }),
  }).toEqual(JSON.parse(qemu.img(...command)));
}

describe('measure', () => {
  it.each(cases)('qcow2: %o', ({ of, backing, ...given }) => {
    const own = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
    checked('qcow2', of, own as Record<string, string>, backing !== undefined);
  });

  it.each(SOURCES)('qcow2 of version 2: %s', (of) => {
    checked('qcow2', of, { compat: '0.10' }, false);
  });

  it.each([...SOURCES, '--size=1000000001'])('raw: %s', (of) => {
    checked('raw', of, {}, false);
  });

  it('refuses what qemu-img refuses', () => {
    for (const [format, own, bytes] of [
      ['vdi', {}, 1024],
      ['qcow2', { nonsense: 1 }, 1024],
      ['qcow2', { cluster_size: 512 }, 900 * 2 ** 30],
      ['raw', { preallocation: 'metadata' }, 1024],
    ] as const) {
      const args = Object.entries(own).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
      const size = ['--size', String(bytes)];
      expect(() => measureDiskFileSync(bytes, { format, options: own })).toThrow();
      if (format !== 'raw')
        expect(qemu.succeeds('measure', '-O', format, ...args, ...size)).toBe(false);
    }
  });

  it('qcow2 encrypted with luks', () => {
    const secret = ['--object', 'secret,id=s,data=abc', '-o', 'encrypt.key-secret=s'];
    const own = { 'encrypt.format': 'luks', cluster_size: '4k' };
    const args = Object.entries(own).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const { required, 'fully-allocated': whole } = JSON.parse(
      qemu.img('measure', '--output=json', '-O', 'qcow2', ...secret, ...args, '--size', '1G'),
    ) as { required: number; 'fully-allocated': number };
    expect(
      measureDiskFileSync(2 ** 30, { format: 'qcow2', options: own, passphrase: 'abc' }),
    ).toEqual({ requiredBytes: required, fullyAllocatedBytes: whole });
  });

  it('luks', () => {
    const secret = ['--object', 'secret,id=s,data=abc', '-o', 'key-secret=s'];
    for (const cipher of ['aes-128', 'aes-256']) {
      const args = [...secret, '-o', `cipher-alg=${cipher}`, '--size', '1000000000'];
      const { required } = JSON.parse(
        qemu.img('measure', '--output=json', '-O', 'luks', ...args),
      ) as { required: number };
      const own = { 'cipher-alg': cipher };
      const measured = measureDiskFileSync(1e9, { format: 'luks', options: own });
      expect(measured).toEqual({ requiredBytes: required, fullyAllocatedBytes: required });
    }
  });
});
