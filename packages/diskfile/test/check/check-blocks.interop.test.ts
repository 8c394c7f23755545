/** Checks of VDI and VHDX count, and say, what `qemu-img check` does, whatever the tables name. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory, Random } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDiskFileSync } from '../../src/index.ts';

const MIB = 1024 * 1024;
const TRIALS = Number(process.env['CHECK_TRIALS'] ?? 25);

interface Counts {
  readonly corruptions: number;
  readonly lines: readonly string[];
}

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('a check of damaged tables', () => {
  const directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-check-blocks-')));
  afterAll(() => rmSync(directory.path, { recursive: true, force: true }));
  const images = new Map<string, Buffer>();

  beforeAll(() => {
    const recipes = {
      vdi: { options: 'static=off', writes: ['write 1M 64k', 'write 7M 2560k', 'write 0 512'] },
      vhdx: { options: 'block_size=1M', writes: ['write 1M 64k', 'write 7M 2560k', 'write 0 512'] },
    };
    for (const [format, { options, writes }] of Object.entries(recipes)) {
      const name = `a.${format}`;
      directory.img('create', '-q', '-f', format, '-o', options, name, '9728k');
      directory.io(name, writes, '-f', format);
      images.set(format, readFileSync(directory.file(name)));
    }
  });

  function theirs(format: string): Counts {
    const args = ['check', '--output=json', '-f', format, 'damaged'];
    const { stdout, stderr } = spawnSync('qemu-img', args, {
      cwd: directory.path,
      encoding: 'utf8',
    });
    const { corruptions = 0 } = JSON.parse(stdout) as { corruptions?: number };
    const lines = stderr.split('\n').filter((line) => line !== '');
    return { corruptions, lines: lines.map((line) => line.replace(/^qemu-img: /, '')) };
  }

  function ours(format: string): Counts {
    const report = checkDiskFileSync(directory.file('damaged'), { format });
    const lines = report.findings.flatMap(({ genuineText = [] }) => genuineText);
    return { corruptions: report.corruptions, lines };
  }

  function compare(format: string, image: Uint8Array): void {
    writeFileSync(directory.file('damaged'), image);
    expect(ours(format)).toEqual(theirs(format));
  }

  it('agrees on VDI images', () => {
    const whole = images.get('vdi')!;
    compare('vdi', whole);
    for (let trial = 0; trial < TRIALS; trial++) {
      const random = new Random(1, trial);
      const image = Buffer.from(whole);
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        const entry = [0, 1, 3, 9, 10, 70_000, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff];
        image.writeUInt32LE(entry[random.below(entry.length)]!, 512 + 4 * random.below(10));
      }
      if (random.below(4) === 0) image.writeUInt32LE(random.below(12), 388);
      compare('vdi', image);
    }
  });

  it('agrees on VHDX disks', () => {
    const whole = images.get('vhdx')!;
    compare('vhdx', whole);
    for (let trial = 0; trial < TRIALS; trial++) {
      const random = new Random(2, trial);
      const image = Buffer.from(whole);
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        const place = [0, 1, 2, 3, 8, 9, whole.length / MIB - 1, whole.length / MIB, 2 ** 30];
        const offset = BigInt(place[random.below(place.length)]! * MIB);
        const state = BigInt([6, 6, 6, 0, 1, 2, 3, 4, 5, 7][random.below(10)]!);
        image.writeBigUInt64LE(offset + state, 2 * MIB + 8 * random.below(10));
      }
      if (random.below(6) === 0) image.writeBigUInt64LE(0xffff_ffff_fff0_0006n, 2 * MIB + 8);
      const cut = random.below(3) === 0 ? 512 * random.below(6000) : 0;
      compare('vhdx', image.subarray(0, image.length - cut));
    }
  });

  it('agrees on the sector bitmaps of VHDX disks', () => {
    directory.img('create', '-q', '-f', 'vhdx', '-o', 'block_size=256M', 'large', '9G');
    const whole = readFileSync(directory.file('large'));
    for (const index of [15, 16, 17, 33, 37, 38]) {
      for (const entry of [2n * 2n ** 20n + 6n, 8n * 2n ** 20n + 6n, 2n ** 42n + 6n]) {
        const image = Buffer.from(whole);
        image.writeBigUInt64LE(entry, 2 * MIB + 8 * index);
        compare('vhdx', image);
      }
    }
  });
});

describe('checks and repairs of formats of blocks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-check-blocks-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.skipIf(!haveTools('qemu-img'))('refuses to repair where qemu-img does', () => {
    const qemu = new QemuDirectory(directory);
    qemu.img('create', '-q', '-f', 'vdi', 'a.vdi', '4M');
    qemu.img('create', '-q', '-f', 'vpc', 'a.vhd', '4M');
    expect(() => checkDiskFileSync(qemu.file('a.vdi'), { repair: 'all' })).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'check.no-repair' }),
    );
    expect(() => checkDiskFileSync(qemu.file('a.vhd'))).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'check.no-check' }),
    );
  });
});
