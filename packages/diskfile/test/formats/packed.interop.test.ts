/** Disks packed by the genuine programs, over their options. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSeekableZstd, haveTools, SeededRandom } from '@diskfile/testkit';
import { openDiskFile } from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const PIECE_BYTES = 300_000;
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['gzip', '-1'],
  ['gzip', '-9'],
  ['pigz', '-p', '2', '-b', '128'],
  ['pigz', '-p', '2', '-i'],
  ['zstd', '-q', '-1'],
  ['zstd', '-q', '-19', '--no-check'],
  ['zstd', '-q', '--fast=5', '-B256KiB', '-T2'],
  ['pzstd', '-q', '-p', '2'],
  ['zstd', '-q', '--long=27', '-B256KiB', '-T2'],
  ['zstd', '-q', '--ultra', '-22'],
  ['xz', '-0'],
  ['xz', '--x86', '--lzma2=preset=0', '--block-size=300KiB'],
  ['xz', '--delta=dist=4', '--arm64', '--lzma2=preset=1'],
  ['xz', '-1', '-C', 'sha256'],
  ['xz', '-0', '-T2', '--block-size=256KiB', '-C', 'crc32'],
  ['xz', '-0', '--block-size=100KiB', '-C', 'none'],
  ...['-B4', '-B5', '-B6', '-B7'].flatMap((size) =>
    ['-BI', '-BD'].map((mode) => ['lz4', '-q', size, mode] as [string, ...string[]]),
  ),
  ['lz4', '-q', '-B4', '-BX', '-BD', '-9'],
  ['lz4', '-q', '--no-frame-crc', '--content-size'],
  ['lz4', '-q', '-l'],
];
const present = haveTools('gzip', 'pigz', 'zstd', 'pzstd', 'xz', 'lz4', 'qemu-img');

describe.skipIf(!present)('packed disks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-packed-'));
  const random = new SeededRandom(7);
  const source = Buffer.alloc(1_200_128);

  beforeAll(() => {
    for (let at = 0; at < source.length; at++) {
      const kind = Math.floor(at / 70_000) % 3;
      if (kind === 0) source[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
      else if (kind === 1) source[at] = 97 + ((at * at) % 23);
    }
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** As a filter, so that nothing tells the program how long its input is. */
  function pack([program, ...options]: readonly [string, ...string[]], input: Uint8Array): Buffer {
    const output = execFileSync(program, [...options, '-c'], { input, maxBuffer: 2 ** 28 });
    return Buffer.from(output);
  }

  function saved(name: string, bytes: Uint8Array): string {
    const path = join(directory, name);
    writeFileSync(path, bytes);
    return path;
  }

  it.each(COMMANDS.map((command) => [command.join(' '), command] as const))(
    '%s: as one stream, and as several',
    async (_name, command) => {
      const pieces: Buffer[] = [];
      for (let at = 0; at < source.length; at += PIECE_BYTES) {
        pieces.push(pack(command, source.subarray(at, at + PIECE_BYTES)));
      }
      for (const bytes of [pack(command, source), Buffer.concat(pieces)]) {
        await using disk = await openDiskFile(saved('disk.packed', bytes));
        expect(disk.info()[0]!.details['contains']).toBe('raw');
        await expectContent(disk, source, random);
      }
    },
  );

  it('zstd that knows how long its input is, and with a seek table', async () => {
    const file = saved('disk.raw', source);
    execFileSync('zstd', ['-q', '-f', file]);
    await using whole = await openDiskFile(`${file}.zst`);
    await expectContent(whole, source, random);
    const frames = [];
    for (let at = 0; at < source.length; at += PIECE_BYTES) {
      const part = source.subarray(at, at + PIECE_BYTES);
      frames.push({ bytes: pack(['zstd', '-q'], part), contentBytes: part.length });
    }
    const seekable = saved('seekable.zst', buildSeekableZstd(frames));
    const unpacked = execFileSync('zstd', ['-q', '-d', '-c', seekable], { maxBuffer: 2 ** 28 });
    expect(unpacked.equals(source)).toBe(true);
    await using disk = await openDiskFile(seekable);
    expect(disk.info()[0]!.details).toMatchObject({ seekable: true, frames: frames.length });
    await expectContent(disk, source, random);
  });

  it.each(['gzip', 'zstd', 'xz', 'lz4'])('an image in %s is opened as that', async (program) => {
    saved('inner.raw', source);
    const args = ['convert', '-f', 'raw', '-O', 'qcow2', 'inner.raw', 'inner.qcow2'];
    execFileSync('qemu-img', args, { cwd: directory });
    const bytes = pack([program], readFileSync(join(directory, 'inner.qcow2')));
    await using disk = await openDiskFile(saved('inner.packed', bytes));
    expect(disk.info()[0]!.details['contains']).toBe('qcow2');
    const content = Buffer.alloc(disk.sizeBytes);
    source.copy(content);
    await expectContent(disk, content, random);
  });
});
