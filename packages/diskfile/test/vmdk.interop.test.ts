import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { QemuDirectory } from '@diskfile/testkit';
import { createDiskFileSync, openDiskFileSync } from '../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vmdk-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SPARSE = ['monolithicSparse', 'twoGbMaxExtentSparse'];
const FLAT = ['monolithicFlat', 'twoGbMaxExtentFlat'];
const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 1500k 1M',
  'write -P 3 7M 512',
  'write -P 4 9900k 100k',
  'write -z 1600k 64k',
];

function bytesOf(name: string, format?: string): Buffer {
  const disk = openDiskFileSync(qemu.file(name), format === undefined ? {} : { format });
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  disk.closeSync();
  return bytes;
}

function theirBytes(name: string): Buffer {
  qemu.img('convert', '-f', 'vmdk', '-O', 'raw', name, `${name}.raw`);
  return bytesOf(`${name}.raw`, 'raw');
}

/** A descriptor or a sparse extent without its identity, which is random and has 1 to 8 digits. */
function comparable(name: string): string {
  const text = readFileSync(qemu.file(name)).toString('latin1');
  // What stands behind the descriptor keeps its place, however long the identity was.
  const withoutId = text.replace(
    /\nCID=([0-9a-f]+)([^\0]*)/,
    (_, digits: string, rest: string) => `\nCID=${rest}${'\0'.repeat(digits.length)}`,
  );
  let end = withoutId.length;
  while (end > 0 && withoutId.charCodeAt(end - 1) === 0) end -= 1;
  return withoutId.slice(0, end);
}

describe('creating', () => {
  const options = [
    ...[...SPARSE, ...FLAT, 'streamOptimized'].map((subformat) => ({ subformat })),
    { subformat: 'monolithicSparse', zeroed_grain: 'on' },
    { subformat: 'monolithicSparse', adapter_type: 'lsilogic', hwversion: '9' },
    { subformat: 'monolithicSparse', compat6: 'on', toolsversion: '7' },
  ];
  it.each(options)('$subformat $adapter_type $zeroed_grain', (given) => {
    const flag = Object.entries(given)
      .map(([name, value]) => `${name}=${value}`)
      .join(',');
    for (const sizeBytes of [64 * KIB, 10_000 * KIB, 5 * KIB * MIB]) {
      if (sizeBytes > MIB * KIB && given.subformat.endsWith('Flat')) continue;
      const theirs = mkdtempSync(join(directory, 'theirs-'));
      const ours = mkdtempSync(join(directory, 'ours-'));
      qemu.img('create', '-q', '-f', 'vmdk', '-o', flag, `${theirs}/disk.vmdk`, String(sizeBytes));
      createDiskFileSync(`${ours}/disk.vmdk`, { format: 'vmdk', sizeBytes, options: given });
      for (const part of ['disk', 'disk-s001', 'disk-s003', 'disk-flat', 'disk-f001']) {
        const present = qemu.succeeds('info', `${theirs}/${part}.vmdk`);
        if (part !== 'disk' && !present) continue;
        const [mine, their] = [ours, theirs].map((each) =>
          comparable(`${each.slice(directory.length + 1)}/${part}.vmdk`),
        );
        expect(mine === their, part).toBe(true);
      }
    }
  });
});

describe.each([...SPARSE, ...FLAT])('%s', (subformat) => {
  it('reads what qemu-io has written', () => {
    const name = `theirs-${subformat}.vmdk`;
    qemu.img('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, name, '10000k');
    qemu.io(name, WRITES);
    expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
  });

  it('writes what qemu-img reads, in turns with qemu-io', () => {
    const name = `ours-${subformat}.vmdk`;
    const options = { subformat };
    createDiskFileSync(qemu.file(name), { format: 'vmdk', sizeBytes: 10_000 * KIB, options });
    const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
    const model = Buffer.alloc(disk.sizeBytes);
    const write = (byte: number, offset: number, length: number) => {
      model.fill(byte, offset, offset + length);
      disk.writeSync(new Uint8Array(length).fill(byte), offset);
    };
    write(1, 0, 4096);
    write(2, 1500 * KIB, MIB);
    disk.flushSync();
    write(3, 7 * MIB, 512);
    write(4, 9900 * KIB, 100 * KIB);
    model.fill(0, 1600 * KIB, 1664 * KIB);
    disk.writeZeroesSync(1600 * KIB, 64 * KIB);
    disk.closeSync();
    expect(theirBytes(name).equals(model)).toBe(true);
    qemu.io(name, ['write -P 9 4M 1M', 'read -P 2 1500k 100k']);
    model.fill(9, 4 * MIB, 5 * MIB);
    const again = openDiskFileSync(qemu.file(name), { readOnly: false });
    again.writeSync(new Uint8Array(3).fill(7), 5 * MIB - 1);
    again.closeSync();
    model.fill(7, 5 * MIB - 1, 5 * MIB + 2);
    expect(bytesOf(name).equals(model)).toBe(true);
    expect(theirBytes(name).equals(model)).toBe(true);
    if (subformat.endsWith('Sparse')) qemu.img('check', '-q', name);
  });
});

describe('a disk over another', () => {
  it('reads and writes as qemu-img does, and notices a changed parent', () => {
    qemu.img('create', '-q', '-f', 'vmdk', 'parent.vmdk', '6M');
    qemu.io('parent.vmdk', ['write -P 5 0 4M']);
    qemu.img('create', '-q', '-f', 'vmdk', '-b', 'parent.vmdk', '-F', 'vmdk', 'theirs.vmdk');
    createDiskFileSync(qemu.file('ours.vmdk'), {
      format: 'vmdk',
      backing: { name: 'parent.vmdk' },
    });
    for (const name of ['theirs.vmdk', 'ours.vmdk']) {
      const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
      disk.writeSync(new Uint8Array(1000).fill(6), MIB + 10);
      disk.closeSync();
      qemu.io(name, ['write -P 7 3M 64k', `read -P 6 ${MIB + 10} 1000`, 'read -P 5 2M 1M']);
      expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
    }
    qemu.io('parent.vmdk', ['write -P 1 0 512']);
    expect(() => openDiskFileSync(qemu.file('ours.vmdk'))).toThrow(/parent has changed/);
  });
});
