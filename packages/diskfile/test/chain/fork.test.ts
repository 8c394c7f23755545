import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildEwf } from '@diskfile/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createDiskFileSync,
  forkDiskFile,
  forkDiskFileSync,
  openDiskFileSync,
} from '../../src/index.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'diskfile-fork-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const SIZE = 200 * 1024;
let directory: string;
const at = (name: string) => join(directory, name);
const NAMES = () => ({ base: at('base.img'), clone: at('clone.qcow2') });

beforeEach(() => {
  directory = fs.mkdtempSync(join(root, 'case-'));
});

function content(fill: number): Uint8Array {
  return Uint8Array.from({ length: SIZE }, (_, index) => (index * fill) % 251);
}

function makeImage(name: string, format: 'qcow2' | 'raw', fill = 3): Uint8Array {
  createDiskFileSync(at(name), { format, sizeBytes: SIZE });
  using disk = openDiskFileSync(at(name), { readOnly: false, format });
  disk.writeSync(content(fill), 0);
  return content(fill);
}

function readImage(name: string): Uint8Array {
  using disk = openDiskFileSync(at(name));
  const bytes = new Uint8Array(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

function expectContent(name: string, expected: Uint8Array): void {
  expect(Buffer.compare(readImage(name), expected)).toBe(0);
}

function chainOf(name: string): string[] {
  using disk = openDiskFileSync(at(name));
  return disk.info().map(({ path, format }) => `${path.slice(directory.length + 1)}:${format}`);
}

describe('a fork', () => {
  it.each(['qcow2', 'raw'] as const)('of a %s image', async (format) => {
    const expected = makeImage('vm.img', format);
    const inode = fs.statSync(at('vm.img')).ino;
    fs.chmodSync(at('vm.img'), 0o640);
    expect(await forkDiskFile(at('vm.img'), { ...NAMES(), format })).toEqual({
      warnings: [],
      resumed: false,
    });
    expect(fs.readdirSync(directory).toSorted()).toEqual(['base.img', 'clone.qcow2', 'vm.img']);
    expect(fs.statSync(at('base.img')).ino).toBe(inode);
    expect(fs.statSync(at('base.img')).nlink).toBe(1);
    for (const name of ['vm.img', 'clone.qcow2']) {
      expect(chainOf(name)).toEqual([`${name}:qcow2`, `base.img:${format}`]);
      expectContent(name, expected);
      expect(fs.statSync(at(name)).mode % 0o1000).toBe(0o640);
    }
  });

  it('gives disks that go their own ways, and can be moved together', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    forkDiskFileSync(at('vm.qcow2'), { ...NAMES(), overlayOptions: { cluster_size: 4096 } });
    const moved = join(root, 'moved');
    fs.renameSync(directory, moved);
    directory = moved;
    for (const [name, fill] of [
      ['vm.qcow2', 1],
      ['clone.qcow2', 2],
    ] as const) {
      using disk = openDiskFileSync(at(name), { readOnly: false });
      expect(disk.topology.clusterBytes).toBe(4096);
      disk.writeSync(new Uint8Array(1000).fill(fill), 5000);
    }
    expectContent('base.img', expected);
    expect(readImage('vm.qcow2')[5500]).toBe(1);
    expect(readImage('clone.qcow2')[5500]).toBe(2);
    expect(Buffer.compare(readImage('clone.qcow2').subarray(6000), expected.subarray(6000))).toBe(
      0,
    );
  });

  it('can do without a clone, again and again', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    forkDiskFileSync(at('vm.qcow2'), { base: at('one.qcow2') });
    forkDiskFileSync(at('vm.qcow2'), { base: at('two.qcow2') });
    expect(chainOf('vm.qcow2')).toEqual(['vm.qcow2:qcow2', 'two.qcow2:qcow2', 'one.qcow2:qcow2']);
    expectContent('vm.qcow2', expected);
  });

  it('over directories, and with names that look like protocols', () => {
    const expected = makeImage('vm.raw', 'raw');
    fs.mkdirSync(at('bases'));
    fs.mkdirSync(at('clones'));
    forkDiskFileSync(at('vm.raw'), {
      base: at('bases/nbd:base.raw'),
      clone: at('clones/clone.qcow2'),
      format: 'raw',
    });
    expectContent('vm.raw', expected);
    expect(() => readImage('clones/clone.qcow2')).toThrowError(
      expect.objectContaining({ detail: 'gate.outside' }),
    );
    using disk = openDiskFileSync(at('clones/clone.qcow2'), { gate: { allow: [directory] } });
    expect(disk.info()[0]!.backing).toEqual({ name: '../bases/nbd:base.raw', format: 'raw' });
    makeImage('other.raw', 'raw');
    forkDiskFileSync(at('other.raw'), { base: at('nbd:other.raw'), format: 'raw' });
    expectContent('other.raw', expected);
  });

  it('finishes one that was interrupted', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    // Before the overlay took the image's name:
    fs.linkSync(at('vm.qcow2'), at('base.img'));
    expect(forkDiskFileSync(at('vm.qcow2'), NAMES()).resumed).toBe(true);
    for (const name of ['vm.qcow2', 'clone.qcow2']) {
      expect(chainOf(name)[1]).toBe('base.img:qcow2');
      expectContent(name, expected);
    }
    // And after that, before the clone was there:
    fs.rmSync(at('clone.qcow2'));
    fs.chmodSync(at('vm.qcow2'), 0o600);
    expect(forkDiskFileSync(at('vm.qcow2'), { ...NAMES(), format: 'qcow2' }).resumed).toBe(true);
    expectContent('clone.qcow2', expected);
    expect(fs.statSync(at('clone.qcow2')).mode % 0o1000).toBe(0o600);
    fs.rmSync(at('clone.qcow2'));
    const { base } = NAMES();
    expect(forkDiskFileSync(at('vm.qcow2'), { base }).resumed).toBe(true);
    // A clone of what the base holds would not be one of the image any more.
    const written = openDiskFileSync(at('vm.qcow2'), { readOnly: false });
    written.writeSync(new Uint8Array(512), 0);
    written.closeSync();
    expect(() => forkDiskFileSync(at('vm.qcow2'), NAMES())).toThrowError(
      expect.objectContaining({ code: 'invalid-argument', detail: 'fork.changed-since' }),
    );
    expect(fs.existsSync(at('clone.qcow2'))).toBe(false);
  });

  it('reads the same whichever step of the host fails, and is finished by the next call', () => {
    let failures = 0;
    for (let failAt = 1, all = Infinity; failAt <= all; failAt++) {
      directory = fs.mkdtempSync(join(root, 'case-'));
      const expected = makeImage('vm.qcow2', 'qcow2', failAt + 2);
      const calls = failingCalls(failAt);
      try {
        forkDiskFileSync(at('vm.qcow2'), NAMES());
        all = calls();
      } catch (error) {
        expect(error).toMatchObject({ name: 'DiskError' });
        failures += 1;
      }
      vi.restoreAllMocks();
      expectContent('vm.qcow2', expected);
      if (!fs.existsSync(at('clone.qcow2'))) forkDiskFileSync(at('vm.qcow2'), NAMES());
      for (const name of ['vm.qcow2', 'clone.qcow2']) {
        expect(chainOf(name)[1]).toBe('base.img:qcow2');
        expectContent(name, expected);
      }
    }
    expect(failures).toBeGreaterThan(15);
  });
});

/** Lets one of the calls that change files fail. @returns how many there were */
function failingCalls(failAt: number): () => number {
  let calls = 0;
  const names = ['linkSync', 'unlinkSync', 'renameSync', 'chmodSync', 'fsyncSync', 'writeSync'];
  for (const name of [...names, 'fdatasyncSync', 'ftruncateSync'] as 'fsyncSync'[]) {
    const genuine = fs[name].bind(fs);
    vi.spyOn(fs, name).mockImplementation((...args) => {
      calls += 1;
      if (calls === failAt) throw Object.assign(new Error('EIO: on purpose'), { code: 'EIO' });
      return genuine(...args);
    });
  }
  return () => calls;
}

describe('a fork is refused', () => {
  const refusal = (run: () => unknown, detail: string) =>
    expect(run).toThrowError(expect.objectContaining({ name: 'DiskError', detail }));

  it('while the image is in use', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    const disk = openDiskFileSync(at('vm.qcow2'));
    refusal(() => forkDiskFileSync(at('vm.qcow2'), NAMES()), 'storage.locked');
    disk.closeSync();
    expect(fs.readdirSync(directory)).toEqual(['vm.qcow2']);
    expectContent('vm.qcow2', expected);
  });

  it('for names that are taken, or no files', () => {
    makeImage('vm.qcow2', 'qcow2');
    makeImage('other.qcow2', 'qcow2', 5);
    const run = (path: string, base: string, clone?: string) => () =>
      forkDiskFileSync(at(path), {
        base: at(base),
        ...(clone === undefined ? {} : { clone: at(clone) }),
      });
    refusal(run('vm.qcow2', 'other.qcow2'), 'fork.name-taken');
    refusal(run('vm.qcow2', 'base.qcow2', 'other.qcow2'), 'fork.name-taken');
    refusal(run('vm.qcow2', 'base.qcow2', 'vm.qcow2'), 'fork.name-taken');
    refusal(run('vm.qcow2', 'base.qcow2', 'base.qcow2'), 'fork.one-name');
    refusal(run('gone.qcow2', 'base.qcow2'), 'fork.no-image');
    refusal(run('vm.qcow2', 'gone/base.qcow2'), 'storage.not-found');
    fs.symlinkSync('vm.qcow2', at('link.qcow2'));
    refusal(run('link.qcow2', 'base.qcow2'), 'fork.not-the-file');
    expect(fs.readdirSync(directory).toSorted()).toEqual(['link.qcow2', 'other.qcow2', 'vm.qcow2']);
  });

  it('when the base would have the name of the image, however that is spelled', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    fs.symlinkSync('.', at('here'));
    for (const name of ['vm.qcow2', 'here/vm.qcow2', './here/./vm.qcow2']) {
      for (const clone of [undefined, at('clone.qcow2')]) {
        const options = { base: `${directory}/${name}`, ...(clone && { clone }) };
        refusal(() => forkDiskFileSync(at('vm.qcow2'), options), 'fork.name-taken');
        expectContent('vm.qcow2', expected);
      }
    }
    expect(fs.readdirSync(directory).toSorted()).toEqual(['here', 'vm.qcow2']);
  });

  it('when the host takes another spelling for the same name', () => {
    const expected = makeImage('vm.qcow2', 'qcow2');
    const { lstatSync } = fs;
    const asSpelled = (path: fs.PathLike) => String(path).replace('VM.QCOW2', 'vm.qcow2');
    vi.spyOn(fs, 'lstatSync').mockImplementation(((path: fs.PathLike, options: object) =>
      lstatSync(asSpelled(path), options)) as typeof fs.lstatSync);
    refusal(() => forkDiskFileSync(at('vm.qcow2'), { base: at('VM.QCOW2') }), 'fork.name-taken');
    expectContent('vm.qcow2', expected);
  });

  it('where the image would lose what it names', () => {
    const expected = makeImage('below.qcow2', 'qcow2');
    createDiskFileSync(at('vm.qcow2'), { format: 'qcow2', backing: { name: 'below.qcow2' } });
    fs.mkdirSync(at('bases'));
    const elsewhere = { base: at('bases/base.qcow2') };
    refusal(() => forkDiskFileSync(at('vm.qcow2'), elsewhere), 'fork.relative-references');
    forkDiskFileSync(at('vm.qcow2'), NAMES());
    expectContent('clone.qcow2', expected);
  });

  it('where further files are found from the name or the directory of the image', () => {
    fs.writeFileSync(at('disk.001'), content(5).subarray(0, 65_536));
    fs.writeFileSync(at('disk.002'), content(6).subarray(0, 65_536));
    const before = readImage('disk.001');
    refusal(() => forkDiskFileSync(at('disk.001'), NAMES()), 'fork.several-files');
    expectContent('disk.001', before);

    const subformat = 'monolithicFlat';
    createDiskFileSync(at('vm.vmdk'), { format: 'vmdk', sizeBytes: SIZE, options: { subformat } });
    fs.mkdirSync(at('bases'));
    const elsewhere = { base: at('bases/base.vmdk'), gate: { allow: 'any' } } as const;
    refusal(() => forkDiskFileSync(at('vm.vmdk'), elsewhere), 'fork.relative-references');
    forkDiskFileSync(at('vm.vmdk'), NAMES());
    expectContent('clone.qcow2', new Uint8Array(SIZE));
  });

  it('for images whose parts have names that follow from its own', () => {
    const segments = buildEwf({ content: content(7), chunksPerTable: 20 });
    expect(segments.length).toBe(2);
    for (const [index, bytes] of segments.entries()) {
      fs.writeFileSync(at(`disk.E0${index + 1}`), bytes);
    }
    refusal(() => forkDiskFileSync(at('disk.E01'), NAMES()), 'fork.several-files');
    expectContent('disk.E01', content(7));
  });

  it('for what is no image, or is damaged', () => {
    fs.writeFileSync(at('disk.vmdk'), `KDMV${'x'.repeat(600)}`);
    const run = (name: string, format?: string) => () =>
      forkDiskFileSync(at(name), { ...NAMES(), ...(format === undefined ? {} : { format }) });
    expect(run('disk.vmdk')).toThrowError(expect.objectContaining({ name: 'DiskError' }));
    makeImage('vm.qcow2', 'qcow2');
    refusal(run('vm.qcow2', 'nonsense'), 'open.unknown-format');
    refusal(
      () => forkDiskFileSync(at('vm.qcow2'), { ...NAMES(), overlayOptions: { cluster_size: 3 } }),
      'qcow2.create.cluster_size',
    );
    refusal(
      () => forkDiskFileSync(at('vm.qcow2'), { ...NAMES(), overlayOptions: { data_file: 'x' } }),
      'fork.data-file',
    );
    expect(fs.readdirSync(directory).toSorted()).toEqual(['disk.vmdk', 'vm.qcow2']);
  });
});
