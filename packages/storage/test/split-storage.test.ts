import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { isSplitSetStart, openSplitStorage } from '../src/index.ts';
import { bothFail, bothWays } from './support/drivers.ts';
import { expectReads, readsOf } from './support/model.ts';
import { pattern, tempDirectory } from './support/temp.ts';

const directory = tempDirectory();
let sets = 0;

/** A directory of its own with one file per name. */
function makeSet(files: Record<string, Uint8Array | string>): (name: string) => string {
  const home = join(directory, `set${sets++}`);
  fs.mkdirSync(home);
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(join(home, name), content);
  return (name) => join(home, name);
}

describe('a split set', () => {
  it('reads as its parts joined, however they are cut', async () => {
    const sizes = fc.array(fc.nat(300), { minLength: 2, maxLength: 6 });
    const set = sizes.chain((lengths) => {
      const total = lengths.reduce((sum, lengthBytes) => sum + lengthBytes, 0);
      return fc.record({ lengths: fc.constant(lengths), reads: fc.array(readsOf(total)) });
    });
    await fc.assert(
      fc.asyncProperty(set, async ({ lengths, reads }) => {
        const parts = lengths.map((lengthBytes, index) => pattern(lengthBytes, index * 50));
        const names = parts.map((part, index) => [`d.00${index}`, part] as const);
        const path = makeSet(Object.fromEntries(names));
        for (const storage of await bothWays(() => openSplitStorage(path('d.000')))) {
          const joined = new Uint8Array(Buffer.concat(parts));
          expect(storage.sizeBytes).toBe(joined.length);
          for (const read of reads) await expectReads(storage, joined, read);
          await storage.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['from .000', ['disk.000', 'disk.001', 'disk.002']],
    ['from .001', ['disk.001', 'disk.002', 'disk.003']],
    ['with wider numbers', ['disk.0001', 'disk.0002', 'disk.0003']],
    ['with a name of digits', ['2024.001', '2024.002', '2024.003']],
    ['with many digits', ['disk.00001', 'disk.00002', 'disk.00003']],
    ['by letters', ['disk.img.aa', 'disk.img.ab', 'disk.img.ac']],
    ['by three letters', ['disk-aaa', 'disk-aab', 'disk-aac']],
    ['as split names them', ['xaa', 'xab', 'xac']],
    ['by parts', ['disk.part01', 'disk.part02', 'disk.part03']],
    ['by parts from none on', ['disk.raw.part0', 'disk.raw.part1', 'disk.raw.part2']],
    ['by parts with a dash', ['disk.img.Part-1', 'disk.img.Part-2', 'disk.img.Part-3']],
    ['by parts and letters', ['disk.img.part-aa', 'disk.img.part-ab', 'disk.img.part-ac']],
  ])('is found and opened %s', async (_name, names) => {
    const path = makeSet(Object.fromEntries(names.map((name, index) => [name, `${index}`])));
    const first = path(names[0]!);
    expect(await bothWays(() => isSplitSetStart(first))).toEqual([true, true]);
    for (const storage of await bothWays(() => openSplitStorage(first))) {
      const content = new Uint8Array(3);
      storage.readSync(content, 0);
      expect(Buffer.from(content).toString()).toBe('012');
      expect(storage.name).toBe(first);
      storage.closeSync();
    }
  });

  it('goes past the number that its digits first count to', () => {
    const numbers = Array.from({ length: 120 }, (_, index) => String(index).padStart(3, '0'));
    const path = makeSet(Object.fromEntries(numbers.map((number) => [`d.${number}`, 'x'])));
    const storage = runSync(openSplitStorage(path('d.000')));
    expect(storage.sizeBytes).toBe(120);
    storage.closeSync();
  });

  it('goes past its digits, and past a letter', () => {
    const parts = Array.from({ length: 12 }, (_, index) => `d.part${index + 1}`);
    const letters = Array.from({ length: 30 }, (_, index) => {
      const [high, low] = [Math.floor(index / 26), index % 26];
      return `d.${String.fromCharCode(97 + high, 97 + low)}`;
    });
    for (const names of [parts, letters]) {
      const path = makeSet(Object.fromEntries(names.map((name, at) => [name, `${at % 10}`])));
      const storage = runSync(openSplitStorage(path(names[0]!)));
      const content = new Uint8Array(storage.sizeBytes);
      storage.readSync(content, 0);
      const expected = names.map((_, at) => at % 10).join('');
      expect(Buffer.from(content).toString()).toBe(expected);
      storage.closeSync();
    }
  });

  it('tells holes within each part', () => {
    const path = makeSet({ 'd.000': pattern(65536), 'd.001': '' });
    fs.truncateSync(path('d.001'), 65536);
    const storage = runSync(openSplitStorage(path('d.000')));
    expect(storage.hostRangeSync!(60_000, 70_000)).toEqual({ data: true, lengthBytes: 5536 });
    expect(storage.hostRangeSync!(65_536, 70_000).lengthBytes).toBe(65_536);
    expect(storage.hostRangeSync!(131_072, 10)).toEqual({ data: false, lengthBytes: 10 });
    storage.closeSync();
  });

  it('leaves out what only looks similar', () => {
    const path = makeSet({
      'd.001': 'a',
      'd.002': 'b',
      'd.02': 'no',
      'd.0003': 'no',
      'd.003.bak': 'no',
      'e.003': 'no',
      'd.00x': 'no',
    });
    const storage = runSync(openSplitStorage(path('d.001')));
    expect(storage.sizeBytes).toBe(2);
    storage.closeSync();
  });
});

describe('what is no split set', () => {
  it.each([
    ['a single part', ['d.000'], 'd.000'],
    ['a part in the middle', ['d.000', 'd.001', 'd.002'], 'd.001'],
    ['a second part', ['d.002', 'd.003'], 'd.002'],
    ['two digits', ['d.00', 'd.01'], 'd.00'],
    ['another name', ['d.img', 'd.img.1'], 'd.img'],
    ['a name that ends in letters', ['bazaa', 'bazab'], 'bazaa'],
    ['a part in the middle, by letters', ['d.aa', 'd.ab', 'd.ac'], 'd.ab'],
    ['a single part, by letters', ['d.aa', 'd.ba'], 'd.aa'],
  ])('%s', async (_name, names, first) => {
    const path = makeSet(Object.fromEntries(names.map((name) => [name, 'x'])));
    expect(await bothWays(() => isSplitSetStart(path(first)))).toEqual([false, false]);
  });

  it('is refused when opened as one', async () => {
    for (const error of await bothFail(() => openSplitStorage('/x/disk.img'))) {
      expect(error).toMatchObject({ code: 'invalid-argument', detail: 'storage.split-name' });
    }
  });
});

describe('a broken split set', () => {
  it('with a gap is refused and the missing part named', async () => {
    const path = makeSet({ 'd.001': 'a', 'd.002': 'b', 'd.004': 'd' });
    for (const error of await bothFail(() => openSplitStorage(path('d.001')))) {
      expect(error).toMatchObject({ code: 'not-found', detail: 'storage.split-gap' });
      expect((error as Error).message).toContain(path('d.003'));
    }
  });

  it('with too many parts is refused', async () => {
    const names = Array.from({ length: 1001 }, (_, i) => `d.${String(i).padStart(4, '0')}`);
    const path = makeSet(Object.fromEntries(names.map((name) => [name, ''])));
    for (const error of await bothFail(() => openSplitStorage(path('d.0000')))) {
      expect(error).toMatchObject({ code: 'limit', detail: 'storage.split-parts' });
    }
  });

  it('closes the parts it has opened when a later one cannot be', () => {
    const path = makeSet({ 'd.000': 'a', 'd.001': 'b' });
    fs.mkdirSync(path('d.002'));
    const before = nextDescriptor();
    // Synchronous, so that nothing else can open a file in between.
    expect(() => runSync(openSplitStorage(path('d.000')))).toThrowError(
      expect.objectContaining({ detail: 'storage.not-a-file' }),
    );
    expect(nextDescriptor()).toBe(before);
  });

  /** Hosts hand out the lowest free number, so an open file that was forgotten shows. */
  function nextDescriptor(): number {
    const fd = fs.openSync(directory, 'r');
    fs.closeSync(fd);
    return fd;
  }
});
