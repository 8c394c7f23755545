import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { QemuDirectory } from '@diskfile/testkit';
import { createDiskFileSync, openDiskFileSync } from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vhd-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

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

/** What QEMU reads of an image, as the format that it is. */
function theirBytes(name: string): Buffer {
  qemu.img('convert', '-f', 'vpc', '-O', 'raw', name, `${name}.raw`);
  return bytesOf(`${name}.raw`, 'raw');
}

/** A new image without what differs each time: time stamp, id and checksum of the footers. */
function comparable(name: string): Buffer {
  const bytes = readFileSync(qemu.file(name));
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at, at + 8) !== 'conectix') continue;
    bytes.fill(0, at + 24, at + 28);
    bytes.fill(0, at + 64, at + 84);
  }
  return bytes;
}

const SIZES = [
  512,
  100 * KIB,
  MIB,
  10 * MIB,
  127 * MIB + 512,
  504 * MIB,
  2 * KIB * MIB,
  7 * KIB * MIB,
];
const CREATIONS = SIZES.flatMap((size) =>
  [false, true].map((force): [number, boolean] => [size, force]),
);

describe('creating', () => {
  it.each(CREATIONS)('%i bytes, force_size %s', (sizeBytes, force) => {
    for (const subformat of ['dynamic', 'fixed']) {
      if (subformat === 'fixed' && sizeBytes > 200 * MIB) continue;
      const options = `subformat=${subformat},force_size=${force ? 'on' : 'off'}`;
      qemu.img('create', '-q', '-f', 'vpc', '-o', options, 'theirs.vhd', String(sizeBytes));
      createDiskFileSync(qemu.file('ours.vhd'), {
        format: 'vpc',
        sizeBytes,
        options: { subformat, force_size: force },
        overwrite: true,
      });
      expect(comparable('ours.vhd').equals(comparable('theirs.vhd'))).toBe(true);
    }
  });
});

describe.each(['dynamic', 'fixed'])('%s', (subformat) => {
  it('reads what qemu-io has written', () => {
    const name = `theirs-${subformat}.vhd`;
    qemu.img('create', '-q', '-f', 'vpc', '-o', `subformat=${subformat}`, name, '10000k');
    qemu.io(name, WRITES, '-f', 'vpc');
    expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
  });

  it('writes what qemu-img reads, in turns with qemu-io', () => {
    const name = `ours-${subformat}.vhd`;
    createDiskFileSync(qemu.file(name), {
      format: 'vhd',
      sizeBytes: 10_000 * KIB,
      options: { subformat },
    });
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
    qemu.io(name, ['write -P 9 4M 1M', 'read -P 2 1500k 100k'], '-f', 'vpc');
    model.fill(9, 4 * MIB, 5 * MIB);
    const again = openDiskFileSync(qemu.file(name), { readOnly: false });
    again.writeSync(new Uint8Array(3).fill(7), 5 * MIB - 1);
    again.closeSync();
    model.fill(7, 5 * MIB - 1, 5 * MIB + 2);
    expect(bytesOf(name).equals(model)).toBe(true);
    expect(theirBytes(name).equals(model)).toBe(true);
  });
});

it('is called by the name that QEMU has for it in images made over it', () => {
  createDiskFileSync(qemu.file('base.vhd'), { format: 'vhd', sizeBytes: MIB });
  createDiskFileSync(qemu.file('over.qcow2'), { format: 'qcow2', backing: { name: 'base.vhd' } });
  const info = JSON.parse(qemu.img('info', '--output=json', 'over.qcow2')) as Record<
    string,
    string
  >;
  expect(info['backing-filename-format']).toBe('vpc');
  expect(bytesOf('over.qcow2').length).toBe(bytesOf('base.vhd').length);
});
