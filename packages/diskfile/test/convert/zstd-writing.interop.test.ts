/** Disks converted into seekable zstd, as the genuine program unpacks them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import {
  convertDiskFile,
  type ConvertDiskFileOptions,
  convertDiskFileSync,
  openDiskFile,
} from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

describe.skipIf(!haveTools('zstd', 'qemu-img'))('converting into zstd', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-zstd-writing-'));
  const qemu = new QemuDirectory(directory);
  const random = new SeededRandom(3);
  const content = Buffer.alloc(9 * 2 ** 20 + 512);

  beforeAll(() => {
    for (let at = 0; at < content.length; at++) {
      const kind = Math.floor(at / 1_700_000) % 3;
      if (kind === 0) content[at] = 97 + ((at * at) % 23);
      else if (kind === 1) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    }
    writeFileSync(qemu.file('source.raw'), content);
    qemu.img('convert', '-c', '-O', 'qcow2', 'source.raw', 'source.qcow2');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function unpacked(name: string): Buffer {
    const path = qemu.file(name);
    return execFileSync('zstd', ['-q', '-d', '-c', path], { maxBuffer: 2 ** 28 });
  }

  const settings: [string, string, Partial<ConvertDiskFileOptions>][] = [
    ['as it comes', 'source.raw', {}],
    ['by two workers, in any order', 'source.qcow2', { workers: 2, outOfOrder: true }],
    ['in small frames', 'source.qcow2', { options: { frame_size: '16k' }, compressionLevel: 1 }],
    ['with its holes stored', 'source.raw', { sparseBytes: 0 }],
  ];
  it.each(settings)('%s', async (_, name, options) => {
    const target = qemu.file('disk.zst');
    const given = { format: 'zstd', overwrite: true, ...options } as const;
    await convertDiskFile(qemu.file(name), target, given);
    execFileSync('zstd', ['-q', '-t', target]);
    expect(unpacked('disk.zst').equals(content)).toBe(true);
    await using disk = await openDiskFile(target);
    expect(disk.info()[0]!.details).toMatchObject({ seekable: true, contains: 'raw' });
    await expectContent(disk, content, random);
  });

  it('synchronously, and back', () => {
    convertDiskFileSync(qemu.file('source.qcow2'), qemu.file('sync.zst'), { format: 'zstd' });
    expect(unpacked('sync.zst').equals(content)).toBe(true);
    convertDiskFileSync(qemu.file('sync.zst'), qemu.file('back.qcow2'), { format: 'qcow2' });
    qemu.img('compare', '-f', 'qcow2', '-F', 'raw', 'back.qcow2', 'source.raw');
  });

  it('leaves nothing behind when it is called off', async () => {
    const abort = new AbortController();
    const before = readdirSync(directory);
    const converting = convertDiskFile(qemu.file('source.raw'), qemu.file('half.zst'), {
      format: 'zstd',
      signal: abort.signal,
      onProgress: ({ doneBytes }) => {
        if (doneBytes > 0) abort.abort();
      },
    });
    await expect(converting).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(qemu.file('half.zst'))).toBe(false);
    expect(readdirSync(directory)).toEqual(before);
  });
});
