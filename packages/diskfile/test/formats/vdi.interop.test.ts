import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { QemuDirectory } from '@diskfile/testkit';
import { createDiskFileSync, openDiskFileSync } from '../../src/index.ts';

const MIB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vdi-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Commands that write here and there, the last block included. */
const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 1500k 1M',
  'write -P 3 7M 512',
  'write -P 4 9900k 100k',
  'write -z 1600k 64k',
];

function same(name: string, format: string): void {
  qemu.img('convert', '-f', format, '-O', 'raw', name, `${name}.raw`);
  const disk = openDiskFileSync(qemu.file(name));
  const raw = openDiskFileSync(qemu.file(`${name}.raw`), { format: 'raw' });
  const [ours, theirs] = [disk, raw].map((each) => {
    const bytes = Buffer.alloc(each.sizeBytes);
    each.readSync(bytes, 0);
    each.closeSync();
    return bytes;
  });
  expect(disk.format).toBe(format);
  expect(ours!.equals(theirs!)).toBe(true);
}

describe.each([false, true])('VDI, static: %s', (isStatic) => {
  const on = isStatic ? 'on' : 'off';

  it('reads what qemu-img makes', () => {
    const name = `theirs-${on}.vdi`;
    qemu.img('create', '-q', '-f', 'vdi', '-o', `static=${on}`, name, '10000k');
    qemu.io(name, WRITES);
    same(name, 'vdi');
    const disk = openDiskFileSync(qemu.file(name));
    const ranges = [...disk.blockStatusSync()].filter(({ data }) => data);
    const map = qemu.map(name).filter(({ data }) => data);
    expect(ranges.map(({ guestOffset, hostOffset }) => [guestOffset, hostOffset])).toEqual(
      map.map(({ start, offset }) => [start, offset]),
    );
    disk.closeSync();
  });

  it('makes what qemu-img reads', () => {
    const name = `ours-${on}.vdi`;
    const options = { format: 'vdi', sizeBytes: 10_000 * 1024, options: { static: isStatic } };
    createDiskFileSync(qemu.file(name), options);
    const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
    const model = Buffer.alloc(disk.sizeBytes);
    const write = (byte: number, offset: number, length: number) => {
      model.fill(byte, offset, offset + length);
      disk.writeSync(new Uint8Array(length).fill(byte), offset);
    };
    write(1, 0, 4096);
    write(2, 1500 * 1024, MIB);
    disk.flushSync();
    write(3, 7 * MIB, 512);
    write(4, 9900 * 1024, 100 * 1024);
    model.fill(0, 1600 * 1024, 1664 * 1024);
    disk.writeZeroesSync(1600 * 1024, 64 * 1024);
    disk.writeZeroesSync(4 * MIB, MIB);
    disk.closeSync();
    qemu.img('check', '-q', name);
    same(name, 'vdi');
    const raw = openDiskFileSync(qemu.file(`${name}.raw`), { format: 'raw' });
    const bytes = Buffer.alloc(raw.sizeBytes);
    raw.readSync(bytes, 0);
    raw.closeSync();
    expect(bytes.equals(model)).toBe(true);
  });

  it('writes into what qemu-io has written', () => {
    const name = `both-${on}.vdi`;
    qemu.img('create', '-q', '-f', 'vdi', '-o', `static=${on}`, name, '10000k');
    qemu.io(name, WRITES);
    const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
    disk.writeSync(new Uint8Array(3 * MIB).fill(9), 3 * MIB - 100);
    disk.discardSync(MIB, MIB);
    disk.closeSync();
    qemu.img('check', '-q', name);
    qemu.io(name, ['read -P 9 3145628 3M', 'write -P 5 8M 4k', 'read -P 1 0 4096']);
    same(name, 'vdi');
  });
});

it('reads a file that was cut as zeros', () => {
  qemu.img('create', '-q', '-f', 'vdi', 'cut.vdi', '4M');
  qemu.io('cut.vdi', ['write -P 7 0 4M']);
  truncateSync(qemu.file('cut.vdi'), 2 * MIB);
  const disk = openDiskFileSync(qemu.file('cut.vdi'));
  const bytes = new Uint8Array(512);
  disk.readSync(bytes, 0);
  expect(bytes[0]).toBe(7);
  disk.readSync(bytes, 3 * MIB);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  disk.closeSync();
});
