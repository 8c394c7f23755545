/** Encrypted qcow2 images beside QEMU: each reads, writes and checks what the other makes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import {
  checkDiskFileSync,
  convertDiskFile,
  createDiskFileSync,
  type DiskFile,
  openDiskFile,
  openDiskFileSync,
} from '../../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'diskfile-encrypted-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const passphrase = 'open sesame';
const SECRET = ['--object', `secret,id=s,data=${passphrase}`] as const;
const SIZE = 1024 * 1024 + 512;

type Options = Readonly<Record<string, string | number | boolean>>;

const KINDS: readonly Options[] = [
  { 'encrypt.format': 'luks' },
  { 'encrypt.format': 'luks', cluster_size: 4096, refcount_bits: 8 },
  { 'encrypt.format': 'luks', cluster_size: 65_536, extended_l2: true },
  { 'encrypt.format': 'luks', cluster_size: 2_097_152, lazy_refcounts: true },
  { 'encrypt.format': 'luks', compat: '0.10' },
  { 'encrypt.format': 'luks', data_file: 'data' },
  { 'encrypt.format': 'luks', 'encrypt.cipher-mode': 'cbc', 'encrypt.ivgen-alg': 'essiv' },
  { 'encrypt.format': 'luks', 'encrypt.cipher-alg': 'aes-128', preallocation: 'metadata' },
  { 'encrypt.format': 'aes' },
  { 'encrypt.format': 'aes', cluster_size: 512, compat: '0.10' },
  { 'encrypt.format': 'aes', cluster_size: 16_384, extended_l2: true },
];

function optionList(options: Options, name: string): string {
  const all = {
    ...options,
    'encrypt.key-secret': 's',
    ...(options['encrypt.format'] === 'luks' ? { 'encrypt.iter-time': 10 } : {}),
    ...(options['data_file'] === undefined ? {} : { data_file: `${name}.data` }),
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${typeof value === 'boolean' ? 'on' : value}`)
    .join(',');
}

function createTheirs(name: string, options: Options): void {
  const list = optionList(options, name);
  qemu.img('create', '-q', ...SECRET, '-f', 'qcow2', '-o', list, name, String(SIZE));
}

function createOurs(name: string, options: Options): void {
  createDiskFileSync(qemu.file(name), {
    format: 'qcow2',
    sizeBytes: SIZE,
    options: {
      ...options,
      ...(options['encrypt.format'] === 'luks' ? { 'encrypt.iter-time': 5 } : {}),
      ...(options['data_file'] === undefined ? {} : { data_file: `${name}.data` }),
    },
    passphrase,
    overwrite: true,
  });
}

const imageOf = (name: string) => `driver=qcow2,file.filename=${name},encrypt.key-secret=s`;

function contentByQemu(name: string): Buffer {
  qemu.img('convert', ...SECRET, '--image-opts', imageOf(name), '-O', 'raw', 'content.raw');
  return readFileSync(qemu.file('content.raw'));
}

function checkByQemu(name: string): void {
  qemu.img('check', '-q', ...SECRET, '--image-opts', imageOf(name));
}

function workOn(disk: DiskFile, model: Buffer, seed: number): void {
  const random = new SeededRandom(seed);
  for (let step = 0; step < 40; step++) {
    const at = random.below(SIZE);
    const length = Math.min(SIZE - at, 1 + random.below(random.pick([100, 5000, 60_000])));
    if (step % 7 === 0) {
      disk.writeZeroesSync(at, length);
      model.fill(0, at, at + length);
    } else {
      const bytes = random.bytes(length);
      disk.writeSync(bytes, at);
      model.set(bytes, at);
    }
  }
}

const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 100k 300k',
  'write -P 3 1024k 512',
  'write -z 200k 64k',
  'write -P 4 130000 1000',
];

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('encrypted qcow2 beside QEMU', () => {
  it.each(KINDS)('reads, and goes on with, what QEMU made: %o', async (options) => {
    createTheirs('theirs.qcow2', options);
    qemu.io(imageOf('theirs.qcow2'), WRITES, ...SECRET, '--image-opts');
    const model = contentByQemu('theirs.qcow2');
    const disk = openDiskFileSync(qemu.file('theirs.qcow2'), { passphrase, readOnly: false });
    const bytes = Buffer.alloc(SIZE);
    disk.readSync(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
    workOn(disk, model, 3);
    await disk.read(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
    await disk.close();
    checkByQemu('theirs.qcow2');
    expect(contentByQemu('theirs.qcow2').equals(model)).toBe(true);
    const report = checkDiskFileSync(qemu.file('theirs.qcow2'));
    expect([report.corruptions, report.leaks]).toEqual([0, 0]);
    rmSync(qemu.file('theirs.qcow2.data'), { force: true });
  });

  it.each(KINDS)('makes and writes what QEMU reads and writes: %o', (options) => {
    createOurs('ours.qcow2', options);
    checkByQemu('ours.qcow2');
    const model = Buffer.alloc(SIZE);
    expect(contentByQemu('ours.qcow2').equals(model)).toBe(true);
    const disk = openDiskFileSync(qemu.file('ours.qcow2'), { passphrase, readOnly: false });
    workOn(disk, model, 5);
    disk.closeSync();
    checkByQemu('ours.qcow2');
    expect(contentByQemu('ours.qcow2').equals(model)).toBe(true);
    qemu.io(imageOf('ours.qcow2'), WRITES, ...SECRET, '--image-opts');
    const again = openDiskFileSync(qemu.file('ours.qcow2'), { passphrase });
    const bytes = Buffer.alloc(SIZE);
    again.readSync(bytes, 0);
    again.closeSync();
    expect(bytes.equals(contentByQemu('ours.qcow2'))).toBe(true);
  });

  it.each([
    { 'encrypt.format': 'luks' },
    { 'encrypt.format': 'luks', cluster_size: 4096 },
    { 'encrypt.format': 'luks', compat: '0.10' },
    { 'encrypt.format': 'aes' },
  ])('lays out new images as QEMU does, keys aside: %o', (options) => {
    createTheirs('theirs.qcow2', options);
    createOurs('ours.qcow2', options);
    const [theirs, ours] = ['theirs.qcow2', 'ours.qcow2'].map((name) => {
      const bytes = readFileSync(qemu.file(name));
      const luks = bytes.indexOf(Buffer.from('LUKS\xba\xbe', 'latin1'));
      // Salts, digests, iterations, the UUID and the key material of the first slot.
      if (luks !== -1) bytes.fill(0, luks + 112, luks + 248).fill(0, luks + 4096, luks + 260_096);
      return bytes;
    });
    expect(ours!.equals(theirs!)).toBe(true);
  });

  it('keeps snapshots, gets larger, and is amended', () => {
    createOurs('kept.qcow2', { 'encrypt.format': 'luks', cluster_size: 4096 });
    const disk = openDiskFileSync(qemu.file('kept.qcow2'), { passphrase, readOnly: false });
    const model = Buffer.alloc(SIZE);
    workOn(disk, model, 11);
    disk.capabilities.snapshots!.createSync('before');
    const before = Buffer.from(model);
    workOn(disk, model, 13);
    disk.capabilities.resizing!.resizeSync(SIZE + 65_536);
    disk.capabilities.amending!.amendSync({ lazy_refcounts: true });
    expect(disk.capabilities.compression).toBeUndefined();
    disk.closeSync();
    checkByQemu('kept.qcow2');
    const grown = Buffer.concat([model, Buffer.alloc(65_536)]);
    expect(contentByQemu('kept.qcow2').equals(grown)).toBe(true);
    const old = openDiskFileSync(qemu.file('kept.qcow2'), { passphrase, snapshot: 'before' });
    const bytes = Buffer.alloc(SIZE);
    old.readSync(bytes, 0);
    old.closeSync();
    expect(bytes.equals(before)).toBe(true);
  });

  it('is not taken back to version 2, which would need zeros written', () => {
    createOurs('kept.qcow2', { 'encrypt.format': 'luks' });
    const disk = openDiskFileSync(qemu.file('kept.qcow2'), { passphrase, readOnly: false });
    expect(() => disk.capabilities.amending!.amendSync({ compat: '0.10' })).toThrow(
      expect.objectContaining({ code: 'unsupported', detail: 'qcow2.encrypted' }),
    );
    disk.closeSync();
  });

  it('has backing images with passphrases of their own', async () => {
    createDiskFileSync(qemu.file('base.qcow2'), {
      format: 'qcow2',
      sizeBytes: SIZE,
      options: { 'encrypt.format': 'luks', 'encrypt.iter-time': 5 },
      passphrase: 'below',
    });
    const base = openDiskFileSync(qemu.file('base.qcow2'), {
      passphrase: 'below',
      readOnly: false,
    });
    base.writeSync(new Uint8Array(SIZE).fill(6), 0);
    base.closeSync();
    createDiskFileSync(qemu.file('top.qcow2'), {
      format: 'qcow2',
      backing: { name: 'base.qcow2' },
      options: { 'encrypt.format': 'luks', 'encrypt.iter-time': 5 },
      passphrase,
    });
    await using disk = await openDiskFile(qemu.file('top.qcow2'), {
      passphrase: [passphrase, 'below'],
      readOnly: false,
    });
    await disk.write(new Uint8Array(100).fill(7), 1000);
    const bytes = Buffer.alloc(2000);
    await disk.read(bytes, 0);
    expect(bytes.every((byte, at) => byte === (at >= 1000 && at < 1100 ? 7 : 6))).toBe(true);
  });

  it('is what a disk is converted to and from', async () => {
    createOurs('source.qcow2', { 'encrypt.format': 'aes' });
    const disk = openDiskFileSync(qemu.file('source.qcow2'), { passphrase, readOnly: false });
    const model = Buffer.alloc(SIZE);
    workOn(disk, model, 17);
    disk.closeSync();
    await convertDiskFile(qemu.file('source.qcow2'), qemu.file('target.qcow2'), {
      format: 'qcow2',
      source: { passphrase },
      options: { 'encrypt.format': 'luks', 'encrypt.iter-time': 5 },
      passphrase,
    });
    checkByQemu('target.qcow2');
    expect(contentByQemu('target.qcow2').equals(model)).toBe(true);
    // What is not written of a LUKS disk is noise, so that zeros count as well.
    await convertDiskFile(qemu.file('target.qcow2'), qemu.file('target.luks'), {
      format: 'luks',
      source: { passphrase },
      options: { 'iter-time': 5 },
      passphrase,
    });
    await using luks = await openDiskFile(qemu.file('target.luks'), { passphrase });
    const bytes = Buffer.alloc(SIZE);
    await luks.read(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
  });
});
