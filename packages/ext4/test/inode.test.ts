import { writeU16le, writeU32le } from '@diskfile/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flagNames } from '../src/inodes/inode-flags.ts';
import { statsOf } from '../src/inodes/inode-stats.ts';
import { decodeInodeTime } from '../src/inodes/inode-time.ts';
import { parseInode } from '../src/inodes/inode.ts';
import { ext4_inode } from '../src/structs.ts';
import { report, superblock } from './support/builders.ts';

describe('times of inodes', () => {
  // The table of the kernel's documentation, "Inode Timestamps".
  it.each([
    [1, '1901-12-13T20:45:52.000Z', 0x8000_0000, 0],
    [1, '1969-12-31T23:59:59.000Z', 0xffff_ffff, 0],
    [0, '1970-01-01T00:00:00.000Z', 0, 0],
    [0, '2038-01-19T03:14:07.000Z', 0x7fff_ffff, 0],
    [1, '2038-01-19T03:14:08.000Z', 0x8000_0000, 1],
    [0, '2106-02-07T06:28:16.000Z', 0, 1],
    [1, '2174-02-25T09:42:24.000Z', 0x8000_0000, 2],
    [0, '2242-03-16T12:56:32.000Z', 0, 2],
    [1, '2310-04-04T16:10:40.000Z', 0x8000_0000, 3],
    [0, '2446-05-10T22:38:55.000Z', 0x7fff_ffff, 3],
  ])('with sign %i: %s', (_, text, seconds, epoch) => {
    const time = decodeInodeTime(seconds, epoch);
    expect(new Date(time.seconds * 1000).toISOString()).toBe(text);
    expect(time.nanoseconds).toBe(0);
  });

  it('come out as they were put in', () => {
    const seconds = fc.integer({ min: -(2 ** 31), max: 3 * 2 ** 32 + 2 ** 31 - 1 });
    const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
    fc.assert(
      fc.property(seconds, nanoseconds, (at, rest) => {
        const low = ((at % 2 ** 32) + 2 ** 32) % 2 ** 32;
        const signed = low >= 2 ** 31 ? low - 2 ** 32 : low;
        const extra = rest * 4 + (at - signed) / 2 ** 32;
        expect(decodeInodeTime(low, extra)).toEqual({ seconds: at, nanoseconds: rest });
      }),
    );
  });
});

describe('inode records', () => {
  const parse = (record: Uint8Array, fields = {}) =>
    parseInode(record, 12, superblock(fields), report(), { verifyChecksum: true });
  const record = (mode: number, size = 256) => {
    const bytes = new Uint8Array(size);
    writeU16le(bytes, ext4_inode.i_mode, mode);
    return bytes;
  };

  it('refuse extra fields that do not fit', () => {
    for (const extraBytes of [129, 130, 0xffff]) {
      const bytes = record(0o100644);
      writeU16le(bytes, ext4_inode.i_extra_isize, extraBytes);
      expect(() => parse(bytes)).toThrow(
        expect.objectContaining({ detail: 'ext4.inode-extra-size' }),
      );
    }
  });

  it('refuse sizes beyond what a number can count', () => {
    const bytes = record(0o100644);
    writeU32le(bytes, ext4_inode.i_size_high, 0xffff_ffff);
    expect(() => parse(bytes)).toThrow(expect.objectContaining({ detail: 'ext4.inode-size' }));
  });

  it('have the upper half of the size in files, and in directories with large_dir', () => {
    for (const [mode, incompat, size] of [
      [0o100644, 0x42, 2 ** 32 + 5],
      [0o040755, 0x42, 5],
      [0o040755, 0x4042, 2 ** 32 + 5],
      [0o120777, 0x42, 5],
    ] as const) {
      const bytes = record(mode);
      writeU32le(bytes, ext4_inode.i_size_lo, 5);
      writeU32le(bytes, ext4_inode.i_size_high, 1);
      expect(parse(bytes, { s_feature_incompat: incompat }).sizeBytes).toBe(size);
    }
  });

  it('count blocks in sectors, or in blocks for huge files', () => {
    const bytes = record(0o100644);
    writeU32le(bytes, ext4_inode.i_blocks_lo, 10);
    writeU16le(bytes, ext4_inode.l_i_blocks_high, 1);
    expect(parse(bytes).allocatedBytes).toBe(5120);
    const huge = { s_feature_ro_compat: 0x8 };
    expect(parse(bytes, huge).allocatedBytes).toBe((2 ** 32 + 10) * 512);
    writeU32le(bytes, ext4_inode.i_flags, 0x4_0000);
    expect(parse(bytes, huge).allocatedBytes).toBe((2 ** 32 + 10) * 1024);
    // Hurd keeps something else in that place.
    expect(parse(bytes, { ...huge, s_creator_os: 1 }).allocatedBytes).toBe(10 * 1024);
  });

  it('have fields after the first 128 bytes only as far as they say', () => {
    const bytes = record(0o100644);
    bytes.fill(0xff, 0x84, 0xa0);
    const stats = (extraBytes: number) => {
      writeU16le(bytes, ext4_inode.i_extra_isize, extraBytes);
      const shape = superblock({ s_feature_ro_compat: 0x2000 });
      return statsOf(parseInode(bytes, 12, shape, report(), { verifyChecksum: false }), shape);
    };
    expect(stats(0)).toMatchObject({ birthTime: undefined, projectId: undefined });
    expect(stats(0).changeTime.nanoseconds).toBe(0);
    expect(stats(8).changeTime.nanoseconds).toBe(2 ** 30 - 1);
    expect(stats(8).modifyTime.nanoseconds).toBe(0);
    expect(stats(20).birthTime).toEqual({ seconds: -1, nanoseconds: 0 });
    expect(stats(32).projectId).toBe(0xffff_ffff);
  });

  it.each([
    [{ major: 8, minor: 1 }, 0x0801, 0],
    [{ major: 255, minor: 255 }, 0xffff, 0],
    [{ major: 259, minor: 300 }, 0, 0x0011_032c],
    [{ major: 4095, minor: 1048575 }, 0, 0xffff_ffff],
    [{ major: 0, minor: 0 }, 0, 0],
  ])('give the device numbers %o', (device, old, extended) => {
    const bytes = record(0o020600);
    writeU32le(bytes, ext4_inode.i_block, old);
    writeU32le(bytes, ext4_inode.i_block + 4, extended);
    expect(statsOf(parse(bytes), superblock()).device).toEqual(device);
  });

  it('name their flags', () => {
    expect(flagNames(0x8_0000 + 0x10 + 0x20)).toEqual(['immutable', 'append-only', 'extents']);
    expect(flagNames(0x8000_0000)).toEqual([]);
  });
});
