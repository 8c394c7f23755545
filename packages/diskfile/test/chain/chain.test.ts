/** What work on chains asks of the host, and what it tells its caller. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  amendDiskFile,
  amendDiskFileSync,
  type ChainProgress,
  commitDiskFile,
  commitDiskFileSync,
  createDiskFileSync,
  DiskError,
  flattenDiskFile,
  openDiskFileSync,
  rebaseDiskFile,
  rebaseDiskFileSync,
} from '../../src/index.ts';
import { MemoryImages } from '../support/memory-images.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'diskfile-chain-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const SIZE = 5 * 1024 * 1024;
let directory: string;
const at = (name: string) => join(directory, name);

/** base ← middle ← top, each with a run of its own number. */
beforeEach(() => {
  directory = fs.mkdtempSync(join(root, 'case-'));
  for (const [index, name] of ['base', 'middle', 'top'].entries()) {
    const below = index === 0 ? undefined : ['base', 'middle'][index - 1]!;
    createDiskFileSync(at(name), {
      format: 'qcow2',
      sizeBytes: SIZE,
      ...(below === undefined ? {} : { backing: { name: below, format: 'qcow2' } }),
    });
    using disk = openDiskFileSync(at(name), { readOnly: false });
    disk.writeSync(new Uint8Array(3_000_000).fill(index + 1), index * 1_000_000);
  }
});

function read(name: string): Uint8Array {
  using disk = openDiskFileSync(at(name));
  const bytes = new Uint8Array(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

const same = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;
const refused = (detail: string) => expect.objectContaining({ name: 'DiskError', detail });
const backingOf = (name: string) => {
  using disk = openDiskFileSync(at(name), { backing: false });
  return disk.info()[0]!.backing;
};

describe('work on a chain', () => {
  it('goes no faster than it is told, and is called off while it waits', async () => {
    // Three megabytes at this rate take 45 seconds.
    const slow = { bytesPerSecond: 65_536, signal: AbortSignal.timeout(300) };
    await expect(commitDiskFile(at('top'), slow)).rejects.toMatchObject({ code: 'aborted' });
    expect(() => commitDiskFileSync(at('top'), { bytesPerSecond: 0 })).toThrow('0 bytes a second');
    await commitDiskFile(at('top'), { bytesPerSecond: 2 ** 30 });
    expect(read('middle')[2_500_000]).toBe(3);
  });

  it('waits for nobody: whoever uses a file that is written keeps it off', () => {
    const before = read('top');
    for (const [held, run] of [
      ['top', () => commitDiskFileSync(at('top'))],
      ['middle', () => commitDiskFileSync(at('top'))],
      ['top', () => rebaseDiskFileSync(at('top'), { backing: 'base' })],
      ['top', () => amendDiskFileSync(at('top'), { lazy_refcounts: true })],
    ] as const) {
      using disk = openDiskFileSync(at(held), { backing: false });
      expect(run).toThrowError(refused('storage.locked'));
      disk.closeSync();
    }
    using writer = openDiskFileSync(at('base'), { readOnly: false });
    expect(() => rebaseDiskFileSync(at('top'), { backing: 'base' })).toThrowError(
      refused('storage.locked'),
    );
    const { warnings } = rebaseDiskFileSync(at('top'), { backing: 'base', forceShare: true });
    expect(warnings).toMatchObject([{ detail: 'storage.in-use' }, { detail: 'storage.in-use' }]);
    writer.closeSync();
    expect(same(read('top'), before)).toBe(true);
  });

  it('writes no file that the gate keeps closed, and says how to open it', () => {
    fs.mkdirSync(at('elsewhere'));
    fs.renameSync(at('base'), at('elsewhere/base'));
    fs.renameSync(at('top'), at('elsewhere/top'));
    const path = at('elsewhere/top');
    const options = { backing: '../middle', backingFormat: 'qcow2', unsafe: true };
    rebaseDiskFileSync(path, options);
    rebaseDiskFileSync(at('middle'), { ...options, backing: 'elsewhere/base' });
    const denied = refused('gate.outside');
    expect(() => commitDiskFileSync(path)).toThrowError(denied);
    expect(() => rebaseDiskFileSync(path, { backing: 'base' })).toThrowError(denied);
    try {
      commitDiskFileSync(path);
    } catch (error) {
      expect((error as DiskError).hint).toContain(`{ allow: ["${directory}"] }`);
      expect((error as DiskError).context.op).toBe('open');
    }
    commitDiskFileSync(path, { gate: { allow: [directory] } });
  });

  it('tells how far it has come, and can be called off', async () => {
    const before = read('top');
    for (const run of [commitDiskFile, flattenDiskFile]) {
      const seen: ChainProgress[] = [];
      const controller = new AbortController();
      const onProgress = (progress: ChainProgress) => {
        seen.push(progress);
        if (progress.doneBytes > 2_000_000) controller.abort(new Error('enough'));
      };
      const work = run(at('top'), { onProgress, signal: controller.signal });
      await expect(work).rejects.toMatchObject({
        code: 'aborted',
        context: { op: expect.any(String) },
      });
      expect(seen.at(-1)!.doneBytes).toBeLessThan(SIZE);
      expect(seen.every(({ totalBytes }) => totalBytes === SIZE)).toBe(true);
      expect(same(read('top'), before)).toBe(true);
      expect(backingOf('top')).toEqual({ name: 'middle', format: 'qcow2' });
    }
    const seen: number[] = [];
    await flattenDiskFile(at('top'), { onProgress: ({ doneBytes }) => seen.push(doneBytes) });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(SIZE);
    expect(same(read('top'), before)).toBe(true);
    expect(backingOf('top')).toBeUndefined();
  });

  it('takes URLs, and storages of the caller’s own', async () => {
    const before = read('top');
    await rebaseDiskFile(new URL(`file://${at('top')}`), { backing: 'base' });
    expect(same(read('top'), before)).toBe(true);
    expect(backingOf('top')).toEqual({ name: 'base', format: 'qcow2' });
    const images = new MemoryImages();
    images.createRaw('base.raw', before);
    images.createQcow2('top', SIZE, {}, 'base.raw');
    await amendDiskFile(images.storage('top'), { compat: '0.10' });
    images.change('top', (disk) => disk.writeSync(new Uint8Array(1000).fill(9), 70_000));
    const changed = images.content('top');
    const { base } = await commitDiskFile(images.storage('top'), { gate: images.gate });
    expect(base).toEqual({ path: 'base.raw', format: 'raw' });
    expect(same(images.content('base.raw'), changed)).toBe(true);
    expect(() =>
      commitDiskFileSync(images.storage('top'), { gate: images.gate, base: 'x' }),
    ).toThrowError(refused('chain.base-of-storage'));
  });
});

describe('a chain is refused', () => {
  it.each<[name: string, run: () => unknown, detail: string]>([
    ['that has no image below', () => commitDiskFileSync(at('base')), 'chain.stands-alone'],
    [
      'without the base',
      () => commitDiskFileSync(at('top'), { base: at('gone') }),
      'chain.base-not-found',
    ],
    [
      'that ends at the base',
      () => commitDiskFileSync(at('top'), { base: at('top') }),
      'chain.base-not-found',
    ],
    [
      'that would lead to itself',
      () => rebaseDiskFileSync(at('top'), { backing: 'top' }),
      'chain.names-itself',
    ],
    [
      'that would come back to it',
      () => rebaseDiskFileSync(at('base'), { backing: 'top' }),
      'chain.names-itself',
    ],
    [
      'that is not there',
      () => rebaseDiskFileSync(at('top'), { backing: 'gone' }),
      'gate.not-found',
    ],
    [
      'whose name alone is not there, without its format',
      () => rebaseDiskFileSync(at('top'), { backing: 'gone', unsafe: true }),
      'gate.not-found',
    ],
  ])('%s', (_, run, detail) => {
    const before = read('top');
    expect(run).toThrowError(refused(detail));
    expect(same(read('top'), before)).toBe(true);
  });

  it('of raw images', () => {
    createDiskFileSync(at('disk.raw'), { format: 'raw', sizeBytes: 4096 });
    const format = { format: 'raw' };
    const path = at('disk.raw');
    expect(() => rebaseDiskFileSync(path, { ...format, backing: 'base' })).toThrowError(
      refused('chain.not-rebasable'),
    );
    expect(() => amendDiskFileSync(path, { size: 8192 }, format)).toThrowError(
      refused('chain.not-amendable'),
    );
    expect(() => commitDiskFileSync(path, format)).toThrowError(refused('chain.stands-alone'));
  });
});

describe('an image of another format', () => {
  it('lies below under the name that QEMU has for it', () => {
    createDiskFileSync(at('base.vhd'), { format: 'vhd', sizeBytes: SIZE });
    const before = read('top');
    rebaseDiskFileSync(at('top'), { backing: 'base.vhd' });
    expect(backingOf('top')).toEqual({ name: 'base.vhd', format: 'vpc' });
    expect(same(read('top'), before)).toBe(true);
    commitDiskFileSync(at('top'));
    expect(same(read('base.vhd').subarray(0, SIZE), before)).toBe(true);
    expect(same(read('top'), before)).toBe(true);
  });
});

describe('a disk whose image turns away from the one below', () => {
  it.each(['qcow2', 'qed', 'qcow'])('makes zeros of what it still reads (%s)', (format) => {
    fs.writeFileSync(at('below'), new Uint8Array(SIZE).fill(7));
    const backing = { name: 'below', format: 'raw' };
    createDiskFileSync(at('above'), { format, sizeBytes: SIZE, backing });
    using disk = openDiskFileSync(at('above'), { readOnly: false, format });
    disk.capabilities.backing!.setReferenceSync(undefined);
    disk.writeZeroesSync(1000, 3_000_000);
    const bytes = new Uint8Array(SIZE);
    disk.readSync(bytes, 0);
    expect(same(bytes.subarray(1000, 3_001_000), new Uint8Array(3_000_000))).toBe(true);
    // And so they stay when it turns to another one.
    disk.capabilities.backing!.setReferenceSync(backing);
    disk.closeSync();
    expect(same(read('above'), bytes)).toBe(true);
  });
});

describe('a base further down', () => {
  it('takes what all images above it hold, and leaves them', () => {
    const before = read('top');
    const middle = fs.readFileSync(at('middle'));
    const top = fs.readFileSync(at('top'));
    commitDiskFileSync(at('top'), { base: at('base') });
    expect(same(read('base'), before)).toBe(true);
    expect(same(read('top'), before)).toBe(true);
    expect(same(fs.readFileSync(at('middle')), middle)).toBe(true);
    expect(same(fs.readFileSync(at('top')), top)).toBe(true);
  });

  it('is known by the name that the image above it has for it', () => {
    const before = read('top');
    commitDiskFileSync(at('top'), { base: 'base' });
    expect(same(read('base'), before)).toBe(true);
  });

  it('is covered where an image in between is too short for it', () => {
    createDiskFileSync(at('short'), {
      format: 'qcow2',
      sizeBytes: 512 * 1024,
      backing: { name: 'base', format: 'qcow2' },
    });
    createDiskFileSync(at('over'), {
      format: 'qcow2',
      sizeBytes: SIZE,
      backing: { name: 'short', format: 'qcow2' },
    });
    using disk = openDiskFileSync(at('over'), { readOnly: false });
    disk.writeSync(new Uint8Array(1000).fill(8), 4_000_000);
    disk.closeSync();
    const before = read('over');
    expect(before[2_000_000]).toBe(0);
    commitDiskFileSync(at('over'), { base: at('base') });
    expect(same(read('base'), before)).toBe(true);
  });
});
