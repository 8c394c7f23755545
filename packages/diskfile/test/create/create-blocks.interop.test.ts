/** New VDI, VHD and VHDX images equal those of `qemu-img create`, ids and times aside. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { createDiskFileSync } from '../../src/index.ts';
import { differences, withoutIds } from '../support/same-but-ids.ts';

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
    expect(differences(withoutIds(format, ours!), withoutIds(format, theirs!))).toEqual([]);
  });
});
