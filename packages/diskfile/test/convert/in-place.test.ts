import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { convertDiskFileSync, createDiskFileSync, openDiskFileSync } from '../../src/index.ts';

const directory = fs.mkdtempSync(join(tmpdir(), 'diskfile-'));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
afterEach(() => void vi.restoreAllMocks());

const path = join(directory, 'disk.img');
const options = { format: 'qcow2', sizeBytes: 2 ** 20, overwrite: true };

/** As a host does whose directory nobody may write. */
function forbidNewFiles(): void {
  const { openSync } = fs;
  const open = ((name: fs.PathLike, ...rest: [fs.OpenMode]) => {
    if (!String(name).endsWith('.tmp')) return openSync(name, ...rest);
    throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  }) as typeof openSync;
  vi.spyOn(fs, 'openSync').mockImplementation(open);
}

it('puts images into a file whose directory takes no other', () => {
  const source = join(directory, 'source.raw');
  fs.writeFileSync(path, 'x'.repeat(3 * 2 ** 20));
  fs.writeFileSync(source, new Uint8Array(2 ** 20).fill(7, 300_000, 500_000));
  forbidNewFiles();
  createDiskFileSync(path, options);
  expect(fs.statSync(path).size).toBe(196_616);
  for (const format of ['qcow2', 'raw', 'vmdk', 'vhdx']) {
    convertDiskFileSync(source, path, { format, overwrite: true });
    const disk = openDiskFileSync(path, { format });
    const content = new Uint8Array(disk.sizeBytes);
    disk.readSync(content, 0);
    disk.closeSync();
    expect(Buffer.from(content).equals(fs.readFileSync(source))).toBe(true);
  }
});

it('does not write over what is read, by whatever name', () => {
  fs.writeFileSync(path, 'precious'.repeat(1000));
  const base = join(directory, 'base.img');
  fs.linkSync(path, base);
  forbidNewFiles();
  const backing = { name: 'base.img', format: 'raw' };
  expect(() => createDiskFileSync(path, { ...options, backing })).toThrow(/one file of the new/);
  expect(() => convertDiskFileSync(base, path, { format: 'raw', overwrite: true })).toThrow();
  // Nothing is begun where the options are no good.
  const bad = { ...options, options: { cluster_size: 3 } };
  expect(() => createDiskFileSync(path, bad)).toThrow(/luster/);
  expect(fs.readFileSync(path, 'utf8')).toBe('precious'.repeat(1000));
});
