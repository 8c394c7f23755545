import { writeU16le, writeU32le } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import { parseAttributes } from '../src/attributes/xattr-entries.ts';
import { report } from './support/builders.ts';

interface EntrySpec {
  readonly nameBytes?: number;
  readonly valueAt?: number;
  readonly valueInode?: number;
  readonly valueBytes?: number;
}

/** Entries that begin at byte 32 of a block of 256 bytes. */
function parse(...entries: EntrySpec[]) {
  const bytes = new Uint8Array(256);
  let at = 32;
  for (const { nameBytes = 3, valueAt = 0, valueInode = 0, valueBytes = 0 } of entries) {
    bytes[at] = nameBytes;
    bytes[at + 1] = 1;
    writeU16le(bytes, at + 2, valueAt);
    writeU32le(bytes, at + 4, valueInode);
    writeU32le(bytes, at + 8, valueBytes);
    bytes.fill(0x61, at + 16, at + 16 + nameBytes);
    at += 16 + Math.ceil(nameBytes / 4) * 4;
  }
  bytes.fill(7, 200);
  return parseAttributes({ bytes, firstEntryAt: 32, valuesFrom: 0, place: 'block 9' }, report());
}

describe('entries of extended attributes', () => {
  it('give names and values', () => {
    const [first, second, ...rest] = parse(
      { nameBytes: 5, valueAt: 200, valueBytes: 4 },
      { valueInode: 77, valueBytes: 100_000 },
    );
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ nameIndex: 1, valueInode: 0, value: new Uint8Array(4).fill(7) });
    expect(first!.nameBytes.length).toBe(5);
    expect(second).toMatchObject({ valueInode: 77, valueBytes: 100_000, value: new Uint8Array() });
  });

  it('may fill the area to its end', () => {
    const bytes = new Uint8Array(20);
    bytes[0] = 4;
    const area = { bytes, firstEntryAt: 0, valuesFrom: 0, place: 'inode 12' };
    expect(parseAttributes(area, report())).toHaveLength(1);
  });

  it.each([
    ['a name that leaves the block', { nameBytes: 255 }],
    ['a value that leaves the block', { valueAt: 250, valueBytes: 7 }],
    ['a value of 4 GiB', { valueAt: 200, valueBytes: 0xffff_ffff }],
    ['a value of 4 GiB in an inode', { valueInode: 77, valueBytes: 0xffff_ffff }],
  ])('with %s are refused', (_, entry) => {
    expect(() => parse(entry)).toThrow(
      expect.objectContaining({
        code: 'corrupt',
        detail: 'ext4.attributes',
        message: expect.stringContaining('block 9'),
      }),
    );
  });
});
