import { describe, expect, it } from 'vitest';
import type { FileExtent, FileHandle, FileStats } from 'diskfile';
import { decimalTime, encodeMemberHeader } from '../src/tar/member-header.ts';
import { PaxRecords } from '../src/tar/pax-records.ts';
import { sparseMap } from '../src/tar/sparse-map.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('pax records', () => {
  it('count their own length, digits included', () => {
    // "N k=v\n": a record of nine bytes without its length has eleven with it.
    for (let length = 1; length < 1200; length++) {
      const records = new PaxRecords();
      records.add('k', 'v'.repeat(length));
      const encoded = text(records.encode());
      expect(encoded.length).toBe(Number(encoded.split(' ')[0]));
    }
  });

  it('hold bytes', () => {
    const records = new PaxRecords();
    records.add('path', 'a\udcff');
    records.add('SCHILY.xattr.user.x', Uint8Array.of(0, 10, 255, 61));
    expect(text(records.encode())).toBe('11 path=a\xff\n28 SCHILY.xattr.user.x=\0\n\xff=\n');
  });
});

describe('times in pax headers', () => {
  it.each([
    [0, 0, '0'],
    [5, 500_000_000, '5.5'],
    [1700000000, 1, '1700000000.000000001'],
    [-1, 500_000_000, '-0.5'],
    [-1, 999_999_999, '-0.000000001'],
    [-5, 0, '-5'],
  ])('%d s and %d ns are %s', (seconds, nanoseconds, expected) => {
    expect(decimalTime({ seconds, nanoseconds })).toBe(expected);
  });
});

describe('member headers', () => {
  const stats = {
    uid: 0,
    gid: 0,
    permissions: 0o644,
    modifyTime: { seconds: 1, nanoseconds: 0 },
    device: undefined,
  } as FileStats;
  const header = (name: string, more: Partial<FileStats> = {}, storedBytes = 0) =>
    text(
      encodeMemberHeader({
        type: 'File',
        name,
        storedBytes,
        stats: { ...stats, ...more },
        records: new PaxRecords(),
      }),
    );

  it('are one block where ustar can say it all', () => {
    expect(header('a'.repeat(100)).length).toBe(512);
    expect(header('dir/name', {}, 0o77777777777).length).toBe(512);
  });

  it.each([
    ['a'.repeat(101), {}, `path=${'a'.repeat(101)}\n`],
    ['é', {}, 'path=\xc3\xa9\n'],
    ['a', { uid: 0o10000000 }, 'uid=2097152\n'],
    ['a', { gid: 4294967295 }, 'gid=4294967295\n'],
    ['a', { modifyTime: { seconds: -1, nanoseconds: 0 } }, 'mtime=-1\n'],
    ['a', { modifyTime: { seconds: 1, nanoseconds: 7 } }, 'mtime=1.000000007\n'],
  ])('have a pax header for the rest: %#', (name, more, record) => {
    const blocks = header(name, more);
    expect(blocks.length).toBe(1536);
    expect(blocks[156]).toBe('x');
    expect(blocks.slice(512, 1024)).toContain(record);
  });

  it('say sizes of 8 GiB and more twice', () => {
    expect(header('a', {}, 2 ** 40).slice(512, 1024)).toContain(`size=${2 ** 40}\n`);
  });
});

describe('sparse maps', () => {
  const file = (sizeBytes: number, data: readonly [number, number][]) => {
    const extents: FileExtent[] = data.map(([offset, lengthBytes]) => ({
      offset,
      lengthBytes,
      data: true,
    }));
    return {
      sizeBytes,
      *extentsSync() {
        yield* extents;
      },
    } as unknown as FileHandle;
  };

  it('are not made where there is nothing to save', () => {
    expect(sparseMap(file(0, []))).toBeUndefined();
    expect(sparseMap(file(5000, [[0, 5000]]))).toBeUndefined();
    expect(sparseMap(file(1024, [[0, 512]]))).toBeUndefined();
  });

  it('tell data, and how long the last hole is', () => {
    const map = sparseMap(
      file(1_000_000, [
        [4096, 4096],
        [900_000, 1000],
      ]),
    )!;
    expect(text(map.encoded).replace(/\0+$/, '')).toBe('3\n4096\n4096\n899584\n1536\n1000000\n0\n');
    expect(map.encoded.length).toBe(512);
    expect(map.dataBytes).toBe(4096 + 1536);
    const whole = sparseMap(file(1_000_001, [[999_000, 1001]]))!;
    expect(text(whole.encoded).replace(/\0+$/, '')).toBe('1\n998912\n1089\n');
    expect(text(sparseMap(file(2 ** 40, []))!.encoded)).toMatch(/^1\n1099511627776\n0\n\0+$/);
  });

  it('stay short however many holes there are', () => {
    // Holes of 3.5 KiB and, every thousand, of 64 KiB: the small ones have to go.
    const count = 300_000;
    const offsetOf = (at: number) => at * 4096 + Math.floor(at / 1000) * 65536;
    const data = Array.from({ length: count }, (_, at): [number, number] => [offsetOf(at), 512]);
    const map = sparseMap(file(offsetOf(count), data))!;
    expect(map.regions.length).toBe(count / 1000);
    for (const [index, { offset, lengthBytes }] of map.regions.entries()) {
      expect(offset).toBe(offsetOf(index * 1000));
      expect(offset + lengthBytes).toBe(offsetOf(index * 1000 + 999) + 512);
    }
  });
});
