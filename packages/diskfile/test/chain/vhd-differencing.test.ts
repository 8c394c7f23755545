import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createDiskFileSync, type DiskFile, openDiskFileSync } from '../../src/index.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 9 * MIB + 512;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vhd-differencing-'));
const file = (name: string) => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function bytesOf(disk: DiskFile): Buffer {
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

/** Small and large writes of `seed` here and there, to a disk and to what it should hold. */
function scribble(disk: DiskFile, model: Buffer, seed: number): void {
  for (let step = 1; step <= 40; step++) {
    const offset = (step * 7_919 * seed * 512 + step * seed) % model.length;
    const length = Math.min(
      model.length - offset,
      step % 5 === 0 ? 70_000 : 1 + ((step * 331) % 3000),
    );
    model.fill(seed * 16 + (step % 16), offset, offset + length);
    disk.writeSync(model.subarray(offset, offset + length), offset);
    if (step % 16 === 0) disk.flushSync();
  }
}

function makeParent(): Buffer {
  const options = { force_size: true };
  createDiskFileSync(file('parent.vhd'), { format: 'vhd', sizeBytes: SIZE_BYTES, options });
  const disk = openDiskFileSync(file('parent.vhd'), { readOnly: false });
  const model = Buffer.alloc(SIZE_BYTES);
  scribble(disk, model, 3);
  disk.closeSync();
  return model;
}

const parent = makeParent();

describe('a differencing VHD', () => {
  it('holds what is written to it, and its parent everything else', () => {
    createDiskFileSync(file('child.vhd'), { format: 'vhd', backing: { name: 'parent.vhd' } });
    const model = Buffer.from(parent);
    const disk = openDiskFileSync(file('child.vhd'), { readOnly: false });
    expect(bytesOf(disk).equals(parent)).toBe(true);
    scribble(disk, model, 5);
    expect(bytesOf(disk).equals(model)).toBe(true);
    disk.writeZeroesSync(MIB - 100, 3000);
    model.fill(0, MIB - 100, MIB + 2900);
    disk.closeSync();
    const again = openDiskFileSync(file('child.vhd'));
    expect(bytesOf(again).equals(model)).toBe(true);
    expect(again.info().map(({ format, details }) => [format, details['type']])).toEqual([
      ['vhd', 'differencing'],
      ['vhd', 'dynamic'],
    ]);
    again.closeSync();
    const below = openDiskFileSync(file('parent.vhd'));
    expect(bytesOf(below).equals(parent)).toBe(true);
    below.closeSync();

    createDiskFileSync(file('grandchild.vhd'), { format: 'vhd', backing: { name: 'child.vhd' } });
    const top = openDiskFileSync(file('grandchild.vhd'), { readOnly: false });
    scribble(top, model, 7);
    expect(bytesOf(top).equals(model)).toBe(true);
    top.closeSync();
  });

  it('finds its parent in another directory, and by its name alone next to it', () => {
    mkdirSync(file('sub'));
    const gate = { allow: [directory] };
    const backing = { name: '../parent.vhd' };
    createDiskFileSync(file('sub/child.vhd'), { format: 'vhd', backing, gate });
    const first = openDiskFileSync(file('sub/child.vhd'), { gate });
    expect(bytesOf(first).equals(parent)).toBe(true);
    first.closeSync();
    copyFileSync(file('parent.vhd'), file('sub/parent.vhd'));
    const second = openDiskFileSync(file('sub/child.vhd'));
    expect(second.info()[1]!.path).toBe(file('sub/parent.vhd'));
    second.closeSync();
  });

  it('refuses another parent of the same name', () => {
    mkdirSync(file('other'));
    createDiskFileSync(file('other/parent.vhd'), { format: 'vhd', sizeBytes: SIZE_BYTES });
    createDiskFileSync(file('mismatch.vhd'), { format: 'vhd', backing: { name: 'parent.vhd' } });
    copyFileSync(file('mismatch.vhd'), file('other/mismatch.vhd'));
    expect(() => openDiskFileSync(file('other/mismatch.vhd'))).toThrow(/not the parent/);
  });

  it('is made over VHD images only, and over a relative path', () => {
    const of = (name: string, format: string) =>
      createDiskFileSync(file('none.vhd'), {
        format: 'vhd',
        sizeBytes: MIB,
        backing: { name, format },
      });
    expect(() => of('parent.vhd', 'raw')).toThrow(/has to be a VHD image/);
    expect(() => of(file('parent.vhd'), 'vhd')).toThrow(/relative/);
  });
});
