import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { haveTools, QemuDirectory, withoutVmdkIdentity } from '@diskfile/testkit';
import {
  checkDiskFile,
  convertDiskFile,
  convertDiskFileSync,
  createDiskFileSync,
  openDiskFileSync,
} from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GRAIN = 64 * KIB;
const SECTOR = 512;
const options = { subformat: 'streamOptimized' };
const TO_STREAM = ['-O', 'vmdk', '-o', 'subformat=streamOptimized'];
const WITH_FOOTER = { ...options, footer: true };
const source = { format: 'raw' };

const directory = mkdtempSync(join(tmpdir(), 'diskfile-vmdk-stream-'));
const qemu = new QemuDirectory(directory);
const file = (name: string) => qemu.file(name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Text of a kind, noise, short runs of data and zeros between them. */
function makeSource(name: string, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < 2 * MIB; at++) bytes[at] = (at * at) % 251;
  let state = 1;
  for (let at = 3 * MIB; at < 3 * MIB + 3 * GRAIN; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  bytes.fill('some words ', 4 * MIB + 4 * KIB, 4 * MIB + 8 * KIB);
  bytes.fill(7, sizeBytes - 700);
  writeFileSync(file(name), bytes);
  return bytes;
}

interface Grain {
  readonly sector: number;
  readonly at: number;
  readonly encoded: Buffer;
}

/** From marker to marker, as a reader that cannot seek. */
function grainsOf(image: Buffer): Grain[] {
  const grains: Grain[] = [];
  for (let at = GRAIN; ;) {
    const length = image.readUInt32LE(at + 8);
    if (length === 0) return grains;
    const encoded = image.subarray(at + 12, at + 12 + length);
    grains.push({ sector: Number(image.readBigUInt64LE(at)), at, encoded });
    at = Math.ceil((at + 12 + length) / SECTOR) * SECTOR;
  }
}

/** An image without what is meant to differ: its identity, and how stored data is cut into blocks. */
function comparable(name: string): string {
  const image = readFileSync(file(name));
  for (const { at, encoded } of grainsOf(image)) {
    if (encoded.length > GRAIN) image.fill(0, at + 8, at + 12 + encoded.length);
  }
  return withoutVmdkIdentity(image);
}

describe('a stream-optimized disk', () => {
  it.each([
    ['whole grains', 6 * MIB],
    ['a last grain that is cut short', 5 * MIB + 9 * SECTOR],
  ])('is what qemu-img convert makes: %s', async (_, sizeBytes) => {
    const bytes = makeSource('source.raw', sizeBytes);
    for (const side of ['theirs', 'plain', 'packed', 'async']) {
      execFileSync('mkdir', ['-p', file(side)]);
    }
    // The name is in the descriptor.
    const [theirs, plain, packed, waited] = ['theirs', 'plain', 'packed', 'async'].map(
      (side) => `${side}/disk.vmdk`,
    ) as [string, string, string, string];
    qemu.img('convert', '-f', 'raw', ...TO_STREAM, 'source.raw', theirs);
    const target = { format: 'vmdk', options, source, overwrite: true };
    convertDiskFileSync(file('source.raw'), file(plain), target);
    convertDiskFileSync(file('source.raw'), file(packed), { ...target, compress: true });
    await convertDiskFile(file('source.raw'), file(waited), target);
    const expected = comparable(theirs);
    for (const name of [plain, packed, waited]) {
      expect(comparable(name) === expected, name).toBe(true);
      qemu.img('compare', '-f', 'raw', '-F', 'vmdk', 'source.raw', name);
      qemu.img('check', '-q', name);
      const disk = openDiskFileSync(file(name));
      const there = Buffer.alloc(sizeBytes);
      disk.readSync(there, 0);
      disk.closeSync();
      expect(there.equals(bytes)).toBe(true);
    }
    expect(qemu.map(plain)).toEqual(qemu.map(theirs));
  });

  it('ends in a footer where that is asked for, its grains in order', async () => {
    const bytes = makeSource('source.raw', 5 * MIB + 9 * SECTOR);
    await convertDiskFile(file('source.raw'), file('footer.vmdk'), {
      format: 'vmdk',
      options: WITH_FOOTER,
      source,
      workers: 2,
      outOfOrder: true,
    });
    qemu.img('compare', '-f', 'raw', '-F', 'vmdk', 'source.raw', 'footer.vmdk');
    const image = readFileSync(file('footer.vmdk'));
    expect(image.readBigUInt64LE(56)).toBe(0xffff_ffff_ffff_ffffn);
    expect(image.readUInt32LE(image.length - 1024)).toBe(image.readUInt32LE(0));
    expect(image.subarray(-512).every((byte) => byte === 0)).toBe(true);
    const sectors = grainsOf(image).map(({ sector }) => sector);
    expect(sectors.length).toBeGreaterThan(30);
    expect(sectors).toEqual(sectors.toSorted((one, other) => one - other));
    const disk = openDiskFileSync(file('footer.vmdk'));
    const there = Buffer.alloc(bytes.length);
    disk.readSync(there, 0);
    disk.closeSync();
    expect(there.equals(bytes)).toBe(true);
    const { checkErrors, corruptions } = await checkDiskFile(file('footer.vmdk'));
    expect([checkErrors, corruptions]).toEqual([0, 0]);
  });

  it('is written by qemu-io and by us in turns', () => {
    createDiskFileSync(file('turns.vmdk'), { format: 'vmdk', sizeBytes: MIB, options });
    const model = Buffer.alloc(MIB);
    for (const [index, grain] of [3, 0, 9, 4, 15].entries()) {
      const byte = index + 1;
      model.fill(byte, grain * GRAIN, (grain + 1) * GRAIN);
      if (index % 2 === 0) qemu.io('turns.vmdk', [`write -P ${byte} ${grain * GRAIN} 64k`]);
      else {
        const disk = openDiskFileSync(file('turns.vmdk'), { readOnly: false });
        disk.writeSync(model.subarray(grain * GRAIN, (grain + 1) * GRAIN), grain * GRAIN);
        disk.closeSync();
      }
    }
    writeFileSync(file('model.raw'), model);
    qemu.img('compare', '-f', 'raw', '-F', 'vmdk', 'model.raw', 'turns.vmdk');
  });

  it('keeps a parent', () => {
    qemu.img('create', '-q', '-f', 'vmdk', 'base.vmdk', '4M');
    qemu.io('base.vmdk', ['write -P 5 0 4M']);
    qemu.img('create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', 'top.vmdk');
    qemu.io('top.vmdk', ['write -P 6 1M 100k', 'write -z 2M 64k']);
    convertDiskFileSync(file('top.vmdk'), file('kept.vmdk'), {
      format: 'vmdk',
      options,
      backing: { name: 'base.vmdk', format: 'vmdk' },
    });
    qemu.img('compare', 'top.vmdk', 'kept.vmdk');
    expect(grainsOf(readFileSync(file('kept.vmdk'))).map(({ sector }) => sector / 128)).toEqual([
      16, 17, 32,
    ]);
  });
});

/** The whole disk by libvmdk. Its Python module belongs to the system's interpreter. */
const LIBVMDK = `
import hashlib, pyvmdk, sys
handle = pyvmdk.handle()
handle.open(sys.argv[1])
handle.open_extent_data_files()
digest = hashlib.sha256()
left = handle.get_media_size()
while left > 0:
    part = handle.read_buffer(min(left, 1 << 20))
    digest.update(part)
    left -= len(part)
print(digest.hexdigest())
`;
const PYTHON = '/usr/bin/python3';
const hasLibvmdk = haveTools('vmdkinfo') && spawnSync(PYTHON, ['-c', 'import pyvmdk']).status === 0;

describe.skipIf(!hasLibvmdk)('libvmdk', () => {
  it.each([options, WITH_FOOTER])('reads what we write: %o', (how) => {
    const bytes = makeSource('source.raw', 5 * MIB + 3 * SECTOR);
    const target = { format: 'vmdk', options: how, source, overwrite: true };
    convertDiskFileSync(file('source.raw'), file('lib.vmdk'), target);
    const digest = execFileSync(PYTHON, ['-c', LIBVMDK, file('lib.vmdk')], { encoding: 'utf8' });
    expect(digest.trim()).toBe(createHash('sha256').update(bytes).digest('hex'));
    const info = execFileSync('vmdkinfo', [file('lib.vmdk')], { encoding: 'utf8' });
    expect(info).toMatch(/Disk type:\s+Stream optimized/);
  });
});
