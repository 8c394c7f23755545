import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { crc32c } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { QemuDirectory } from '@diskfile/testkit';
import { createDiskFileSync, openDiskFileSync } from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vhdx-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 1500k 1M',
  'write -P 3 17M 512',
  'write -P 4 29900k 100k',
  'write -P 5 30000k 512',
];

function bytesOf(name: string, format?: string): Buffer {
  const disk = openDiskFileSync(qemu.file(name), format === undefined ? {} : { format });
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  disk.closeSync();
  return bytes;
}

function theirBytes(name: string): Buffer {
  qemu.img('convert', '-f', 'vhdx', '-O', 'raw', name, `${name}.raw`);
  return bytesOf(`${name}.raw`, 'raw');
}

/** A new image without what differs each time: creator, headers with their random ids, disk id. */
function comparable(name: string): Buffer {
  const bytes = readFileSync(qemu.file(name));
  const metadataAt = Number(bytes.readBigUInt64LE(192 * KIB + 16 + 32 + 16));
  bytes.fill(0, 8, 64 * KIB);
  for (const at of [64 * KIB, 128 * KIB]) bytes.fill(0, at + 4, at + 64);
  // QEMU does not mark the two regions as required, which the specification calls them.
  for (const at of [192 * KIB, 256 * KIB]) {
    bytes.fill(0, at + 4, at + 8);
    bytes.fill(0, at + 44, at + 48);
    bytes.fill(0, at + 76, at + 80);
  }
  // The four items before the disk's id have 4 + 4 and 8 bytes.
  bytes.fill(0, metadataAt + 64 * KIB + 16, metadataAt + 64 * KIB + 32);
  return bytes;
}

const CREATIONS: [sizeBytes: number, options: Record<string, string | number>][] = [
  [MIB, {}],
  [30_000 * KIB + 512, {}],
  [3 * GIB, {}],
  [120 * GIB, {}],
  [40 * 1024 * GIB, {}],
  [5 * GIB, { block_size: MIB, log_size: 3 * MIB }],
  [5 * GIB, { block_size: 256 * MIB, block_state_zero: 'off' }],
  [20 * MIB, { subformat: 'fixed' }],
  [20 * MIB + 512, { subformat: 'fixed', block_size: 2 * MIB, log_size: 5 * MIB }],
  [20 * MIB + 512, { subformat: 'fixed', block_size: MIB, block_state_zero: 'on' }],
  [21 * MIB, { subformat: 'fixed', block_size: 16 * MIB, block_state_zero: 'off' }],
];

describe('creating', () => {
  it.each(CREATIONS)('%i bytes, %j', (sizeBytes, options) => {
    const flag = Object.entries({ size: sizeBytes, ...options }).map((pair) => pair.join('='));
    qemu.img('create', '-q', '-f', 'vhdx', '-o', flag.join(','), 'theirs.vhdx');
    createDiskFileSync(qemu.file('ours.vhdx'), {
      format: 'vhdx',
      sizeBytes,
      options,
      overwrite: true,
    });
    const [ours, theirs] = [comparable('ours.vhdx'), comparable('theirs.vhdx')];
    expect(ours.length).toBe(theirs.length);
    expect(ours.findIndex((byte, at) => byte !== theirs[at])).toBe(-1);
  });
});

describe.each(['dynamic', 'fixed'])('%s', (subformat) => {
  it('reads what qemu-io has written', () => {
    const name = `theirs-${subformat}.vhdx`;
    qemu.img('create', '-q', '-f', 'vhdx', '-o', `subformat=${subformat}`, name, '30001k');
    qemu.io(name, WRITES);
    expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
  });

  it('writes what qemu-img reads, in turns with qemu-io', () => {
    const name = `ours-${subformat}.vhdx`;
    const options = { subformat };
    createDiskFileSync(qemu.file(name), { format: 'vhdx', sizeBytes: 30_001 * KIB, options });
    const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
    const model = Buffer.alloc(disk.sizeBytes);
    const write = (byte: number, offset: number, length: number) => {
      model.fill(byte, offset, offset + length);
      disk.writeSync(new Uint8Array(length).fill(byte), offset);
    };
    write(1, 0, 4096);
    write(2, 1500 * KIB, MIB);
    disk.flushSync();
    write(3, 17 * MIB, 512);
    write(4, 29_900 * KIB, 101 * KIB);
    disk.writeZeroesSync(1600 * KIB, 64 * KIB);
    model.fill(0, 1600 * KIB, 1664 * KIB);
    disk.closeSync();
    qemu.img('check', '-q', name);
    expect(theirBytes(name).equals(model)).toBe(true);
    qemu.io(name, ['write -P 9 9M 1M', 'read -P 2 1500k 100k']);
    model.fill(9, 9 * MIB, 10 * MIB);
    const again = openDiskFileSync(qemu.file(name), { readOnly: false });
    again.writeSync(new Uint8Array(3).fill(7), 10 * MIB - 1);
    again.closeSync();
    model.fill(7, 10 * MIB - 1, 10 * MIB + 2);
    expect(bytesOf(name).equals(model)).toBe(true);
    expect(theirBytes(name).equals(model)).toBe(true);
    qemu.img('check', '-q', name);
  });
});

/** Remembers what it held when a header that names a log was last made durable. */
class CutStorage extends MemoryStorage {
  readonly cuts: Uint8Array[] = [];
  #logWritten = false;
  #headerWritten = false;

  override writeSync(src: Uint8Array, offset: number): void {
    super.writeSync(src, offset);
    if (offset >= MIB && offset < 2 * MIB) this.#logWritten = true;
    if (offset < MIB) this.#headerWritten = this.#logWritten;
  }

  override flushSync(): void {
    if (!this.#headerWritten) return;
    this.cuts.push(this.bytes.slice());
    this.#logWritten = false;
    this.#headerWritten = false;
  }
}

describe('a log that a crash has left', () => {
  /** The power goes when the log is durable and in force, and nothing of it has been applied. */
  function crashed(name: string): void {
    createDiskFileSync(qemu.file(name), { format: 'vhdx', sizeBytes: 3000 * MIB });
    const storage = new CutStorage(readFileSync(qemu.file(name)), name);
    const disk = openDiskFileSync(storage, { readOnly: false, format: 'vhdx' });
    for (const at of [9, 900, 2999]) disk.writeSync(new Uint8Array(64 * KIB).fill(6), at * MIB);
    disk.flushSync();
    disk.closeSync();
    writeFileSync(qemu.file(name), storage.cuts.at(-1)!);
  }

  function expectContent(name: string): string[] {
    const disk = openDiskFileSync(qemu.file(name));
    const bytes = new Uint8Array(64 * KIB);
    for (const at of [9, 900, 2999]) {
      disk.readSync(bytes, at * MIB);
      expect(bytes.every((byte) => byte === 6)).toBe(true);
    }
    disk.closeSync();
    return disk.warnings.map(({ detail }) => detail);
  }

  it('is applied to what is read, and the file stays as it is', () => {
    crashed('crashed.vhdx');
    const before = readFileSync(qemu.file('crashed.vhdx'));
    expect(expectContent('crashed.vhdx')).toEqual(['vhdx.log-replayed']);
    expect(readFileSync(qemu.file('crashed.vhdx')).equals(before)).toBe(true);
  });

  it('is applied to the file when that is written', () => {
    crashed('written.vhdx');
    const disk = openDiskFileSync(qemu.file('written.vhdx'), { readOnly: false });
    disk.writeSync(Uint8Array.of(1), 0);
    disk.closeSync();
    qemu.img('check', '-q', 'written.vhdx');
    qemu.io('written.vhdx', ['read -P 6 9M 64k', 'read -P 6 2999M 64k', 'read -P 1 0 1']);
    expect(expectContent('written.vhdx')).toEqual([]);
  });

  it('may be longer than what is read at once', () => {
    const [whole, left] = [qemu.file('long.vhdx'), qemu.file('left.vhdx')];
    createDiskFileSync(whole, {
      format: 'vhdx',
      sizeBytes: 3000 * MIB,
      options: { log_size: 300 * MIB },
    });
    // What follows the log, before the table has been changed.
    const tables = Buffer.alloc(4 * MIB);
    const fd = openSync(whole, 'r');
    readSync(fd, tables, 0, tables.length, 301 * MIB);
    closeSync(fd);
    const disk = openDiskFileSync(whole, { readOnly: false });
    for (const at of [9, 900, 2999]) disk.writeSync(new Uint8Array(64 * KIB).fill(6), at * MIB);
    disk.flushSync();
    execFileSync('cp', ['--sparse=always', whole, left]);
    disk.closeSync();
    const patched = openSync(left, 'r+');
    writeSync(patched, tables, 0, tables.length, 301 * MIB);
    closeSync(patched);
    expect(expectContent('left.vhdx')).toEqual(['vhdx.log-replayed']);
  });

  it('is understood by qemu-img', () => {
    crashed('cut.vhdx');
    expect(qemu.succeeds('info', 'cut.vhdx')).toBe(false);
    qemu.img('check', '-r', 'all', 'cut.vhdx');
    qemu.io('cut.vhdx', ['read -P 6 9M 64k', 'read -P 6 900M 64k', 'read -P 6 2999M 64k']);
    expect(expectContent('cut.vhdx')).toEqual([]);
  });
});

it('a log that was named and not written to, as QEMU does it, holds nothing', () => {
  createDiskFileSync(qemu.file('named.vhdx'), { format: 'vhdx', sizeBytes: 30 * MIB });
  qemu.io('named.vhdx', ['write -P 4 0 64k']);
  const bytes = readFileSync(qemu.file('named.vhdx'));
  const sequenceNumber = (slot: number) => bytes.readBigUInt64LE(slot * 64 * KIB + 8);
  const newest = (sequenceNumber(1) > sequenceNumber(2) ? 1 : 2) * 64 * KIB;
  const header = bytes.subarray(newest, newest + 4 * KIB);
  header.fill(0xa5, 48, 64);
  header.writeUInt32LE(0, 4);
  header.writeUInt32LE(crc32c(header), 4);
  writeFileSync(qemu.file('named.vhdx'), bytes);
  qemu.img('check', '-q', 'named.vhdx');
  expect(
    bytesOf('named.vhdx')
      .subarray(0, 64 * KIB)
      .every((byte) => byte === 4),
  ).toBe(true);
  const disk = openDiskFileSync(qemu.file('named.vhdx'), { readOnly: false });
  disk.writeSync(new Uint8Array(512).fill(5), 0);
  disk.closeSync();
  qemu.img('check', '-q', 'named.vhdx');
  qemu.io('named.vhdx', ['read -P 5 0 512', 'read -P 4 512 65024']);
});

describe('a differencing disk', () => {
  it('holds what is written to it, and its parent everything else', () => {
    createDiskFileSync(qemu.file('parent.vhdx'), { format: 'vhdx', sizeBytes: 9 * MIB });
    const parent = openDiskFileSync(qemu.file('parent.vhdx'), { readOnly: false });
    parent.writeSync(new Uint8Array(9 * MIB).fill(8), 0);
    parent.closeSync();
    const backing = { name: 'parent.vhdx' };
    const options = { block_size: MIB };
    createDiskFileSync(qemu.file('child.vhdx'), { format: 'vhdx', backing, options });
    const model = Buffer.alloc(9 * MIB, 8);
    const child = openDiskFileSync(qemu.file('child.vhdx'), { readOnly: false });
    for (const [byte, offset, length] of [
      [1, 100, 5000],
      [2, 3 * MIB - 7, 2 * MIB],
      [3, 9 * MIB - 1, 1],
    ] as const) {
      model.fill(byte, offset, offset + length);
      child.writeSync(new Uint8Array(length).fill(byte), offset);
    }
    child.closeSync();
    expect(bytesOf('child.vhdx').equals(model)).toBe(true);
    const changed = openDiskFileSync(qemu.file('parent.vhdx'), { readOnly: false });
    changed.writeSync(Uint8Array.of(1), 0);
    changed.closeSync();
    expect(() => openDiskFileSync(qemu.file('child.vhdx'))).toThrow(/written since/);
  });
});
