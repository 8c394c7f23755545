import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { QemuDirectory } from '@diskfile/testkit';
import { checkDiskFileSync } from '../../src/index.ts';

const SECTOR = 512;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vmdk-check-'));
const qemu = new QemuDirectory(directory);
const file = (name: string) => qemu.file(name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Directory and first table of a disk of 80 MiB. */
const DIRECTORY = 34 * SECTOR;
const TABLE = 35 * SECTOR;

function poke(name: string, at: number, value: number): void {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(value);
  const handle = openSync(file(name), 'r+');
  writeSync(handle, field, 0, 4, at);
  closeSync(handle);
}

function make(name: string, subformat: string): void {
  qemu.img('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, name, '80M');
  qemu.io(name, ['write 0 64k', 'write 1M 192k', 'write 40M 64k'], '-f', 'vmdk');
}

/** How `qemu-img check` ends. */
function theirStatus(name: string, ...flags: string[]): number | null {
  return spawnSync('qemu-img', ['check', ...flags, '-f', 'vmdk', file(name)]).status;
}

function endOf(name: string): number {
  return statSync(file(name)).size / SECTOR;
}

type Damage = [what: string, damage: (name: string) => void];
const SPARSE_DAMAGE: Damage[] = [
  ['nothing', () => {}],
  ['a grain far beyond the end', (name) => poke(name, TABLE, 1_000_000)],
  ['a grain at the end', (name) => poke(name, TABLE + 8, endOf(name))],
  ['a grain in the last sector', (name) => poke(name, TABLE + 8, endOf(name) - 1)],
  ['the last grain beyond the end', (name) => poke(name, TABLE + 511 * 4, 900_000)],
  ['several grains', (name) => [0, 4, 8].forEach((at) => poke(name, TABLE + at, 900_000 + at))],
  ['an empty table', (name) => poke(name, DIRECTORY, 0)],
  ['a cut tail', (name) => truncateSync(file(name), 192 * 1024)],
  ['a longer file', (name) => truncateSync(file(name), 10 * 1024 * 1024)],
];

describe.each([
  ['monolithicSparse', ''],
  ['streamOptimized', ''],
  ['twoGbMaxExtentSparse', '-s001'],
])('%s', (subformat, suffix) => {
  it.each(SPARSE_DAMAGE)('with %s', (what, damage) => {
    const stem = `${subformat}-${what.replaceAll(' ', '-')}`;
    make(`${stem}.vmdk`, subformat);
    damage(`${stem}${suffix}.vmdk`);
    const { checkErrors, leaks } = checkDiskFileSync(file(`${stem}.vmdk`));
    expect(checkErrors > 0 ? 1 : 0).toBe(theirStatus(`${stem}.vmdk`));
    expect(leaks).toBe(0);
  });
});

it('knows flat extents as qemu-img does', () => {
  for (const size of [80 * 1024 * 1024, 512, 0]) {
    make('flat.vmdk', 'monolithicFlat');
    truncateSync(file('flat-flat.vmdk'), size);
    const { checkErrors } = checkDiskFileSync(file('flat.vmdk'));
    expect(checkErrors).toBe(theirStatus('flat.vmdk'));
  }
});

it('repairs nothing', () => {
  make('good.vmdk', 'monolithicSparse');
  expect(theirStatus('good.vmdk', '-r', 'all')).toBe(63);
  const refusal = expect.objectContaining({ code: 'unsupported' }) as Error;
  expect(() => checkDiskFileSync(file('good.vmdk'), { repair: 'all' })).toThrowError(refusal);
});
