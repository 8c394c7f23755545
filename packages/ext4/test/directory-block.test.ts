import { encodeName, writeU16le, writeU32le } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import {
  decodeRecordLength,
  findDirectoryEntry,
  parseDirectoryEntries,
} from '../src/directories/directory-block.ts';
import { fileInode, report, superblock } from './support/builders.ts';

interface EntrySpec {
  readonly inode: number;
  readonly name: string;
  readonly type?: number;
  readonly recordBytes?: number;
}

/** A block of 1 KiB whose last entry reaches its end. */
function blockOf(entries: readonly EntrySpec[]): Uint8Array {
  const bytes = new Uint8Array(1024);
  let at = 0;
  entries.forEach(({ inode, name, type = 1, recordBytes }, index) => {
    const nameBytes = encodeName(name);
    const natural = 8 + Math.ceil(nameBytes.length / 4) * 4;
    const length = recordBytes ?? (index === entries.length - 1 ? bytes.length - at : natural);
    writeU32le(bytes, at, inode);
    writeU16le(bytes, at + 4, length);
    bytes[at + 6] = nameBytes.length;
    bytes[at + 7] = type;
    bytes.set(nameBytes, at + 8);
    at += length;
  });
  return bytes;
}

const context = (fields = {}) => ({
  inode: fileInode(new Uint8Array(60), 1024),
  superblock: superblock(fields),
  report: report(),
});
const parse = (bytes: Uint8Array, fields = {}) =>
  parseDirectoryEntries(bytes, 'block 7', context(fields));

describe('directory entries', () => {
  const bytes = blockOf([
    { inode: 2, name: '.', type: 2 },
    { inode: 2, name: '..', type: 2 },
    { inode: 12, name: 'file' },
    { inode: 0, name: 'deleted' },
    { inode: 13, name: 'link', type: 7 },
    { inode: 14, name: 'bad-\udcff', type: 0 },
    { inode: 15, name: '...', type: 99 },
  ]);

  it('leave out dots and what is deleted', () => {
    expect(parse(bytes)).toEqual([
      { name: 'file', inode: 12, type: 'file' },
      { name: 'link', inode: 13, type: 'symlink' },
      { name: 'bad-\udcff', inode: 14, type: 'unknown' },
      { name: '...', inode: 15, type: 'unknown' },
    ]);
  });

  it('have no types without the feature, and longer lengths of names', () => {
    const untyped = blockOf([{ inode: 12, name: 'file', type: 0 }]);
    const noFileType = { s_feature_incompat: 0x40 };
    expect(parse(untyped, noFileType)).toEqual([{ name: 'file', inode: 12, type: 'unknown' }]);
    const wrong = blockOf([{ inode: 12, name: 'file', type: 1 }]);
    expect(() => parse(wrong, noFileType)).toThrow(/claims a name of 260 bytes/);
  });

  it('are found by the bytes of their name', () => {
    const find = (name: string) =>
      findDirectoryEntry(bytes, 'block 7', context(), encodeName(name));
    expect(find('link')).toBe(13);
    expect(find('bad-\udcff')).toBe(14);
    expect(find('deleted')).toBeUndefined();
    expect(find('fil')).toBeUndefined();
  });

  it.each([
    ['no length', [{ inode: 12, name: 'a', recordBytes: 0 }]],
    ['a length that is no multiple of four', [{ inode: 12, name: 'a', recordBytes: 14 }]],
    ['a length that leaves the block', [{ inode: 12, name: 'a', recordBytes: 2048 }]],
    ['a name longer than the entry', [{ inode: 12, name: 'a'.repeat(20), recordBytes: 16 }]],
    ['no name', [{ inode: 12, name: '' }]],
    ['an inode past the last', [{ inode: 129, name: 'a' }]],
    ['a slash', [{ inode: 12, name: 'a/b' }]],
    ['a NUL byte', [{ inode: 12, name: 'a\0' }]],
    ['eight bytes at the end', [{ inode: 12, name: 'a', recordBytes: 1016 }]],
  ])('with %s are refused with their place', (_, entries) => {
    expect(() => parse(blockOf(entries))).toThrow(
      expect.objectContaining({
        code: 'corrupt',
        detail: 'ext4.directory-entry',
        message: expect.stringContaining('of block 7'),
      }),
    );
  });
});

describe('lengths of entries', () => {
  it('are as stored in blocks below 64 KiB', () => {
    expect(decodeRecordLength(0, 32768)).toBe(0);
    expect(decodeRecordLength(32768, 32768)).toBe(32768);
  });

  it('use their low bits in blocks of 64 KiB', () => {
    expect(decodeRecordLength(0, 65536)).toBe(65536);
    expect(decodeRecordLength(0xffff, 65536)).toBe(65536);
    expect(decodeRecordLength(65532, 65536)).toBe(65532);
    expect(decodeRecordLength(12, 65536)).toBe(12);
    expect(decodeRecordLength(13, 65536)).toBe(65548);
  });
});
