/** LUKS disks beside QEMU: each reads and writes what the other makes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { createDiskFileSync, digest, openDiskFile, openDiskFileSync } from '../../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'diskfile-luks-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SECRET = ['--object', 'secret,id=s,data=open sesame'] as const;
const SIZE = 2 * 1024 * 1024;
const passphrase = 'open sesame';

const KINDS: Readonly<Record<string, string>>[] = [
  {},
  { 'cipher-alg': 'aes-128' },
  { 'cipher-mode': 'cbc', 'ivgen-alg': 'essiv', 'ivgen-hash-alg': 'sha256' },
  // Not with aes-192: QEMU 7.2 dies of an assertion on keys whose material ends within a sector.
  { 'cipher-alg': 'aes-128', 'cipher-mode': 'cbc', 'ivgen-alg': 'plain' },
  { 'cipher-mode': 'cbc', 'ivgen-alg': 'plain64', 'hash-alg': 'sha1' },
  { 'cipher-mode': 'ctr' },
  { 'cipher-mode': 'ecb', 'hash-alg': 'sha512' },
];

function imageOf(name: string): string {
  return `driver=luks,file.filename=${name},key-secret=s`;
}

function contentByQemu(name: string): Buffer {
  qemu.img('convert', ...SECRET, '--image-opts', imageOf(name), '-O', 'raw', 'content.raw');
  const disk = openDiskFileSync(qemu.file('content.raw'), { format: 'raw' });
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  disk.closeSync();
  return bytes;
}

const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 100k 1M',
  'write -P 3 2047k 1k',
  'write -z 200k 9k',
];

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('LUKS beside QEMU', () => {
  it.each(KINDS)('reads what QEMU made and wrote: %o', async (kind) => {
    const options = Object.entries({ ...kind, 'iter-time': '10' }).map((pair) => pair.join('='));
    const list = `key-secret=s,${options.join(',')}`;
    qemu.img('create', '-q', ...SECRET, '-f', 'luks', '-o', list, 'theirs.luks', String(SIZE));
    qemu.io(imageOf('theirs.luks'), WRITES, ...SECRET, '--image-opts');
    const expected = contentByQemu('theirs.luks');
    await using disk = await openDiskFile(qemu.file('theirs.luks'), { passphrase });
    expect(disk.format).toBe('luks');
    const [sync, parallel] = [Buffer.alloc(SIZE), Buffer.alloc(SIZE)];
    disk.readSync(sync, 0);
    const pieces = Array.from({ length: 16 }, (_, at) => (at * SIZE) / 16);
    await Promise.all(pieces.map((at) => disk.read(parallel.subarray(at, at + SIZE / 16), at)));
    expect(sync.equals(expected)).toBe(true);
    expect(parallel.equals(expected)).toBe(true);
    const info = JSON.parse(
      qemu.img('info', '--output=json', '-f', 'luks', 'theirs.luks'),
    ) as QemuLuksInfo;
    const { data } = info['format-specific'];
    expect(disk.info()[0]!.details).toMatchObject({
      cipher: data['cipher-alg'],
      cipherMode: data['cipher-mode'],
      ivGenerator: data['ivgen-alg'],
      hash: data['hash-alg'],
      uuid: data.uuid,
      payloadOffset: data['payload-offset'],
      masterKeyIterations: data['master-key-iters'],
    });
  });

  it.each(KINDS)('makes and writes what QEMU reads: %o', (kind) => {
    const path = qemu.file('ours.luks');
    const options = { ...kind, 'iter-time': 5 };
    const creation = { format: 'luks', sizeBytes: SIZE, options, passphrase, overwrite: true };
    createDiskFileSync(path, creation);
    const disk = openDiskFileSync(path, { readOnly: false, passphrase });
    const model = Buffer.alloc(SIZE);
    disk.readSync(model, 0);
    const random = new SeededRandom(7);
    for (let step = 0; step < 60; step++) {
      const at = random.below(SIZE);
      const length = Math.min(SIZE - at, 1 + random.below(random.pick([100, 5000, 100_000])));
      if (step % 5 === 0) {
        disk.writeZeroesSync(at, length);
        model.fill(0, at, at + length);
      } else {
        const bytes = random.bytes(length);
        disk.writeSync(bytes, at);
        model.set(bytes, at);
      }
    }
    disk.closeSync();
    expect(contentByQemu('ours.luks').equals(model)).toBe(true);
  });

  it('keeps writes apart that share a sector', async () => {
    const path = qemu.file('shared.luks');
    const options = { 'iter-time': 5 };
    createDiskFileSync(path, { format: 'luks', sizeBytes: SIZE, options, passphrase });
    await using disk = await openDiskFile(path, { readOnly: false, passphrase });
    await disk.writeZeroes(0, SIZE);
    const all = Buffer.alloc(4096);
    await Promise.all(
      Array.from({ length: 256 }, async (_, at) => {
        await disk.write(new Uint8Array(16).fill(at), at * 16);
        const own = new Uint8Array(16);
        await disk.read(own, at * 16);
        expect(own).toEqual(new Uint8Array(16).fill(at));
      }),
    );
    await disk.read(all, 0);
    expect(all.every((byte, at) => byte === Math.floor(at / 16))).toBe(true);
  });

  it('gets larger and smaller as QEMU sees it', () => {
    const path = qemu.file('sized.luks');
    createDiskFileSync(path, {
      format: 'luks',
      sizeBytes: SIZE,
      options: { 'iter-time': 5 },
      passphrase,
    });
    const disk = openDiskFileSync(path, { readOnly: false, passphrase });
    disk.writeSync(new Uint8Array(SIZE).fill(5), 0);
    disk.capabilities.resizing!.resizeSync(SIZE * 2);
    disk.closeSync();
    const grown = contentByQemu('sized.luks');
    expect(grown.length).toBe(SIZE * 2);
    expect(grown.every((byte, at) => byte === (at < SIZE ? 5 : 0))).toBe(true);
    const again = openDiskFileSync(path, { readOnly: false, passphrase });
    again.capabilities.resizing!.resizeSync(512, { shrink: true });
    again.closeSync();
    expect(contentByQemu('sized.luks').equals(Buffer.alloc(512, 5))).toBe(true);
  });

  it('tells of itself without its passphrase, and is not read', async () => {
    const path = qemu.file('ours.luks');
    const disk = await openDiskFile(path);
    expect(disk.info()[0]!.details).toMatchObject({
      encryption: { method: 'luks', locked: true },
    });
    await expect(disk.read(new Uint8Array(512), 0)).rejects.toMatchObject({
      code: 'wrong-key',
      detail: 'luks.passphrase-missing',
    });
    await disk.close();
    await expect(openDiskFile(path, { readOnly: false })).rejects.toMatchObject({
      code: 'wrong-key',
    });
    await expect(openDiskFile(path, { passphrase: 'open' })).rejects.toMatchObject({
      code: 'wrong-key',
      detail: 'luks.wrong-passphrase',
    });
  });

  it('is opened in worker threads as well', async () => {
    const path = qemu.file('large.luks');
    const sizeBytes = 40 * 1024 * 1024;
    createDiskFileSync(path, {
      format: 'luks',
      sizeBytes,
      options: { 'iter-time': 5 },
      passphrase,
    });
    await using disk = await openDiskFile(path, { passphrase });
    const inPlace = await digest(disk, { workers: 0 });
    expect(await digest(disk, { workers: 2 })).toEqual(inPlace);
  });
});

interface QemuLuksInfo {
  readonly 'format-specific': { readonly data: Readonly<Record<string, unknown>> };
}
