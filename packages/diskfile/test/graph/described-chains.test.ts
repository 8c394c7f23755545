import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type BlockOptions,
  commitDiskFileSync,
  createDiskFileSync,
  flattenDiskFileSync,
  openDiskFileSync,
  openGraphSync,
  parseDiskName,
  rebaseDiskFileSync,
  UserObjects,
} from '../../src/index.ts';

const work = mkdtempSync(join(tmpdir(), 'diskfile-described-'));
afterAll(() => rmSync(work, { recursive: true }));
const path = (name: string): string => join(work, name);

const MIB = 1024 ** 2;
const file = (name: string) => ({ driver: 'file', filename: path(name) });
const raw = (name: string) => ({ driver: 'raw', file: file(name) });
const graph = (given: object): BlockOptions => parseDiskName(`json:${JSON.stringify(given)}`);
const over = (backing: object | null, name = 'top') =>
  graph({ driver: 'qcow2', file: file(name), backing });

function make(name: string, backing?: string, format = 'qcow2'): void {
  createDiskFileSync(path(name), {
    format: 'qcow2',
    sizeBytes: MIB,
    overwrite: true,
    ...(backing === undefined ? {} : { backing: { name: backing, format } }),
  });
}

function write(name: string, byte: number, offset: number): void {
  using disk = openDiskFileSync(path(name), { readOnly: false });
  disk.writeSync(new Uint8Array(65536).fill(byte), offset);
}

function contentOf(target: string | BlockOptions): Buffer {
  using disk = typeof target === 'string' ? openDiskFileSync(path(target)) : openGraphSync(target);
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

const NAMED = Buffer.alloc(MIB, 1);
const OTHER = Buffer.alloc(MIB, 2);

beforeEach(() => {
  writeFileSync(path('named.raw'), NAMED);
  writeFileSync(path('other.raw'), OTHER);
  writeFileSync(path('short.raw'), Buffer.alloc(MIB / 2, 3));
  make('top', 'named.raw', 'raw');
  write('top', 9, 0);
  write('top', 8, MIB - 65536);
});

describe('work on a chain that a graph describes', () => {
  it('commits into the image that is described, and leaves the one that is named', () => {
    const before = contentOf(over(raw('other.raw')));
    const { base } = commitDiskFileSync(over(raw('other.raw')));
    expect(base.path).toBe(path('other.raw'));
    expect(contentOf('other.raw').equals(before)).toBe(true);
    expect(contentOf('named.raw').equals(NAMED)).toBe(true);
    expect(contentOf('top').equals(NAMED)).toBe(true);
  });

  it('lets a described base grow, whose read-only flag is for its readers', () => {
    commitDiskFileSync(over({ ...raw('short.raw'), 'read-only': true }));
    const expected = Buffer.alloc(MIB)
      .fill(3, 0, MIB / 2)
      .fill(9, 0, 65536);
    expected.fill(8, MIB - 65536);
    expect(contentOf('short.raw').equals(expected)).toBe(true);
  });

  it('gives up nothing where the base cannot take it', () => {
    const faulty = (event: string) => ({
      driver: 'raw',
      file: {
        driver: 'blkdebug',
        image: file('other.raw'),
        'inject-error': [{ event, errno: 28 }],
      },
    });
    const objects = new UserObjects();
    objects.define('throttle-group,id=g');
    const throttled = { driver: 'throttle', 'throttle-group': 'g', file: raw('short.raw') };
    const bases = [
      { driver: 'null-co', size: MIB / 2, file: { filename: 'x' } },
      { driver: 'raw', file: { driver: 'null-co', size: MIB / 2 } },
      { ...raw('other.raw'), size: MIB / 2 },
      { ...raw('other.raw'), offset: MIB / 2, size: MIB / 2 },
      faulty('write_aio'),
      faulty('flush_to_disk'),
      throttled,
      { driver: 'raw', file: { ...file('other.raw'), 'read-only': true } },
      { driver: 'quorum', 'vote-threshold': 1, children: [raw('other.raw')] },
      { driver: 'copy-on-read', file: raw('other.raw') },
    ];
    for (const base of bases) {
      make('alone');
      write('alone', 5, MIB - 65536);
      const before = readFileSync(path('alone'));
      const given = over(base, 'alone');
      expect(() => commitDiskFileSync(given, { objects }), JSON.stringify(base)).toThrow();
      expect(readFileSync(path('alone')).equals(before), JSON.stringify(base)).toBe(true);
    }
  });

  it('finds a base by what the graph says, not by what an image names', () => {
    make('mid', 'named.raw', 'raw');
    write('mid', 7, 131072);
    make('upper', 'mid');
    write('upper', 6, 262144);
    const chain = () =>
      over({ driver: 'qcow2', file: file('mid'), backing: raw('other.raw') }, 'upper');
    for (const base of ['named.raw', path('named.raw')]) {
      expect(() => commitDiskFileSync(chain(), { base })).toThrow('below the image');
    }
    const before = contentOf(chain());
    commitDiskFileSync(chain(), { base: path('other.raw') });
    expect(contentOf('other.raw').equals(before)).toBe(true);
    expect(contentOf('named.raw').equals(NAMED)).toBe(true);
  });

  it('rebases onto an image that both share, but for what lies below it', () => {
    make('mid', 'named.raw', 'raw');
    make('upper', 'mid');
    write('upper', 6, 262144);
    const chain = over({ driver: 'qcow2', file: file('mid'), backing: raw('other.raw') }, 'upper');
    const before = contentOf(chain);
    rebaseDiskFileSync(chain, { backing: 'mid', backingFormat: 'qcow2' });
    expect(contentOf('upper').equals(before)).toBe(true);
  });

  it('flattens what a graph puts together', () => {
    make('alone');
    write('alone', 5, 0);
    const before = contentOf(over(raw('other.raw'), 'alone'));
    flattenDiskFileSync(over(raw('other.raw'), 'alone'));
    expect(contentOf('alone').equals(before)).toBe(true);
  });
});
