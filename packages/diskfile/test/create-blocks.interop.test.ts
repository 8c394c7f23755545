/** New VDI, VHD and VHDX images equal those of `qemu-img create`, ids and times aside. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { createDiskFileSync } from '../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

type Options = Readonly<Record<string, string | number | boolean>>;

/** Format, size, and options. */
const CASES: readonly (readonly [string, number, Options])[] = [
  ['vdi', 10 * MIB, {}],
  ['vdi', 2000 * MIB + 512, {}],
  ['vdi', 3 * MIB + 512, { static: true }],
  ['vdi', 3 * MIB, { static: false, preallocation: 'falloc' }],
  ['vpc', 10 * MIB, {}],
  ['vpc', 700 * MIB, {}],
  ['vpc', 10 * MIB, { force_size: true }],
  ['vpc', 5 * MIB, { subformat: 'fixed' }],
  ['vpc', 5 * MIB, { subformat: 'fixed', force_size: true }],
  ['vhdx', 10 * MIB, {}],
  ['vhdx', 2000 * MIB, { block_size: MIB, log_size: 3 * MIB }],
  ['vhdx', 3 * MIB + 512, { block_size: 300 * KIB, log_size: 100, block_state_zero: false }],
  ['vhdx', 600 * MIB, { block_size: 300 * MIB }],
  ['vhdx', 3 * MIB, { subformat: 'fixed', block_size: MIB, block_state_zero: false }],
  ['vhdx', 3 * MIB, { subformat: 'fixed', block_size: MIB, block_state_zero: true }],
];

describe.skipIf(!haveTools('qemu-img'))('a new image', () => {
  const directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-create-blocks-')));
  afterAll(() => rmSync(directory.path, { recursive: true, force: true }));

  it.each(CASES)('equals that of qemu-img: %s, %d, %o', (format, sizeBytes, options) => {
    createDiskFileSync(directory.file('ours'), { format, sizeBytes, options, overwrite: true });
    const given = Object.entries(options).flatMap(([name, value]) => {
      const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
      return ['-o', `${name}=${text}`];
    });
    directory.img('create', '-q', '-f', format, ...given, 'theirs', String(sizeBytes));
    const [ours, theirs] = ['ours', 'theirs'].map((name) => readFileSync(directory.file(name)));
    expect(differences(masked(format, ours!), masked(format, theirs!))).toEqual([]);
  });
});

/** Without what is random, names the program, or tells the time. */
function masked(format: string, image: Buffer): Buffer {
  const blank = (start: number, end: number) => void image.fill(0, start, end);
  if (format === 'vdi') {
    blank(0, 64);
    blank(392, 424);
  } else if (format === 'vpc') {
    const isFixed = image.toString('latin1', 0, 8) !== 'conectix';
    for (const at of isFixed ? [image.length - 512] : [0, image.length - 512]) {
      blank(at + 24, at + 28);
      blank(at + 64, at + 84);
    }
  } else {
    // Creator; checksums, random sequence numbers and ids of headers; the disk's id.
    blank(8, 520);
    for (const at of [64 * KIB, 128 * KIB]) {
      blank(at + 4, at + 48);
    }
    // QEMU does not call its regions required, as the specification has it.
    for (const at of [192 * KIB, 256 * KIB]) {
      blank(at + 4, at + 8);
      for (const entry of [16, 48]) blank(at + entry + 28, at + entry + 32);
    }
    const metadata = image.indexOf('metadata', MIB, 'latin1');
    blank(metadata + 64 * KIB + 16, metadata + 64 * KIB + 32);
  }
  return image;
}

/** Offsets of the first bytes that differ; the lengths where these do. */
function differences(ours: Buffer, theirs: Buffer): string[] {
  if (ours.length !== theirs.length) return [`${ours.length} bytes, not ${theirs.length}`];
  const found: string[] = [];
  for (let at = 0; at < ours.length && found.length < 20; at++) {
    if (ours[at] !== theirs[at]) found.push(`${at}: ${ours[at]}, not ${theirs[at]}`);
  }
  return found;
}
