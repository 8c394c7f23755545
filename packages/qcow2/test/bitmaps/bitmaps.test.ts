import { describe, expect, it } from 'vitest';
import { writeU16be, writeU32be, writeU64be } from '@diskfile/bytes';
import { openImage, readAll } from '../support/open-image.ts';
import { EXTENSION, writeQcow2 } from '../support/qcow2-writer.ts';

const utf8 = new TextEncoder();

function entry(name: string, granularityBits: number, flags: number, extraBytes = 0): Uint8Array {
  const encoded = utf8.encode(name);
  const bytes = new Uint8Array(Math.ceil((24 + extraBytes + encoded.length) / 8) * 8);
  writeU32be(bytes, 12, flags);
  bytes[16] = 1;
  bytes[17] = granularityBits;
  writeU16be(bytes, 18, encoded.length);
  writeU32be(bytes, 20, extraBytes);
  bytes.set(encoded, 24 + extraBytes);
  return bytes;
}

const DIRECTORY = [entry('nightly', 16, 2), entry('half saved', 9, 5, 8)];

/** An image whose bitmap directory lies in a cluster of its own at the end. */
function withBitmaps(directory: Uint8Array[], autoclear = 1, count = directory.length) {
  const length = directory.reduce((sum, bytes) => sum + bytes.length, 0);
  const extension = new Uint8Array(24);
  const spec = {
    clusters: [{ kind: 'data' as const, fill: 9 }],
    autoclear,
    extensions: [{ type: EXTENSION.bitmaps, data: extension }],
  };
  const offset = writeQcow2(spec).bytes.length;
  writeU32be(extension, 0, count);
  writeU64be(extension, 8, length);
  writeU64be(extension, 16, offset);
  const image = writeQcow2(spec).bytes;
  const bytes = new Uint8Array(offset + 512);
  bytes.set(image);
  let at = offset;
  for (const part of directory) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, offset };
}

describe('bitmaps', () => {
  it('are listed', () => {
    const disk = openImage(withBitmaps(DIRECTORY).bytes);
    expect(disk.capabilities.bitmaps!.list()).toEqual([
      { name: 'nightly', granularityBytes: 65_536, flags: ['auto'] },
      { name: 'half saved', granularityBytes: 512, flags: ['in-use', 'extra-data-compatible'] },
    ]);
    expect(disk.warnings).toEqual([]);
    expect(openImage(writeQcow2({ clusters: [] }).bytes).capabilities.bitmaps!.list()).toEqual([]);
  });

  it('that a program without bitmaps left behind are not listed, with a warning', () => {
    const disk = openImage(withBitmaps(DIRECTORY, 0).bytes);
    expect(disk.capabilities.bitmaps!.list()).toEqual([]);
    expect(disk.warnings).toMatchObject([{ detail: 'qcow2.bitmaps-stale' }]);
  });

  it.each<[what: string, damage: (image: ReturnType<typeof withBitmaps>) => void]>([
    ['a count that is too small', ({ bytes }) => writeU32be(bytes, 120, 1)],
    ['a count of none', ({ bytes }) => writeU32be(bytes, 120, 0)],
    ['a reserved field in use', ({ bytes }) => writeU32be(bytes, 124, 1)],
    ['a directory longer than the file', ({ bytes }) => writeU64be(bytes, 128, 2 ** 40)],
    ['a directory past the end', ({ bytes }) => writeU64be(bytes, 136, 2 ** 40)],
    ['a directory between clusters', ({ bytes }) => writeU64be(bytes, 136, 520)],
    ['an unknown type', ({ bytes, offset }) => void (bytes[offset + 16] = 2)],
    ['an absurd granularity', ({ bytes, offset }) => void (bytes[offset + 17] = 64)],
    ['a name beyond the directory', ({ bytes, offset }) => writeU16be(bytes, offset + 18, 1000)],
    ['an empty name', ({ bytes, offset }) => writeU16be(bytes, offset + 18, 0)],
    ['extra data beyond it', ({ bytes, offset }) => writeU32be(bytes, offset + 20, 0xffff_ffff)],
  ])('with %s are left out with a warning, and the disk is read', (_, damage) => {
    const image = withBitmaps(DIRECTORY);
    damage(image);
    const disk = openImage(image.bytes);
    expect(disk.capabilities.bitmaps!.list()).toEqual([]);
    expect(disk.warnings).toMatchObject([{ detail: 'qcow2.bitmaps-damaged' }]);
    expect(readAll(disk).some((byte) => byte !== 0)).toBe(true);
  });
});
