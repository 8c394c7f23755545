import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  MemoryStorage,
  noDecoders,
  openChain,
  runSync,
} from '@diskfile/core';
import { buildBochs, refusalOf } from '@diskfile/testkit';
import { bochsDriver } from '../src/index.ts';

const EXTENT = 8192;
const CATALOG = 512;
const content = Buffer.alloc(6 * EXTENT).map((_, at) =>
  Math.floor(at / EXTENT) % 3 === 1 ? 0 : Math.imul(at, at) >>> 8,
);

function open(image: Uint8Array, snapshot?: string): DiskFile {
  const chain = runSync(
    openChain(new MemoryStorage(image, 'disk.bochs'), {
      drivers: [bochsDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: { ...DEFAULT_LIMITS, metadataCacheBytes: 600 },
      format: 'bochs',
      snapshot,
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function patched(patch: (image: Buffer) => void): Buffer {
  const image = buildBochs(content, EXTENT);
  patch(image);
  return image;
}

describe('a growing image', () => {
  it('reads, whole and in parts, with few bitmaps in memory', () => {
    const disk = open(buildBochs(content, EXTENT));
    const bytes = Buffer.alloc(content.length);
    for (let round = 0; round < 2; round++) {
      disk.readSync(bytes.fill(1), 0);
      expect(bytes.equals(content)).toBe(true);
    }
    const part = Buffer.alloc(700);
    disk.readSync(part, 2 * EXTENT - 300);
    expect(part.equals(content.subarray(2 * EXTENT - 300, 2 * EXTENT + 400))).toBe(true);
    expect(disk.info()[0]!.details).toEqual({ version: 2, extentBytes: EXTENT });
  });

  it('reads as zeros what no bit of a bitmap stands for', () => {
    // The first extent of the file is the last of the disk.
    const disk = open(patched((image) => image.writeUInt8(0b1111_0101, CATALOG + 6 * 4)));
    const bytes = Buffer.alloc(EXTENT);
    disk.readSync(bytes, 5 * EXTENT);
    const expected = Buffer.from(content.subarray(5 * EXTENT));
    expected.fill(0, 512, 1024).fill(0, 1536, 2048);
    expect(bytes.equals(expected)).toBe(true);
    const kinds = [...disk.blockStatusSync(5 * EXTENT)].map(({ lengthBytes }) => lengthBytes / 512);
    expect(kinds).toEqual([1, 1, 1, 1, 12]);
  });

  it('is recognised by its magic', () => {
    const probe = (head: Uint8Array) =>
      bochsDriver.probe({ head, tail: head, sizeBytes: head.length });
    expect(probe(buildBochs(content, EXTENT))).toBe('yes');
    expect(probe(Buffer.from('Bochs Virtual HD'))).toBe('no');
    expect(probe(new Uint8Array(0))).toBe('no');
  });

  it.each<[string, (image: Buffer) => void, string]>([
    ['beginning', (image) => image.write('x', 0), 'corrupt bochs.magic'],
    ['kind', (image) => image.write('Undoable', 48), 'unsupported bochs.kind'],
    ['version', (image) => image.writeUInt32LE(7, 64), 'unsupported bochs.version'],
    ['header size', (image) => image.writeUInt32LE(8, 68), 'corrupt bochs.header-size'],
    [
      'header size past the end',
      (image) => image.writeUInt32LE(2 ** 31, 68),
      'corrupt bochs.catalog',
    ],
    ['catalog size', (image) => image.writeUInt32LE(5, 72), 'corrupt bochs.catalog-size'],
    ['huge catalog', (image) => image.writeUInt32LE(2 ** 32 - 1, 72), 'corrupt bochs.catalog-size'],
    ['bitmap size', (image) => image.writeUInt32LE(1, 76), 'corrupt bochs.bitmap-size'],
    ['huge bitmap', (image) => image.writeUInt32LE(2 ** 31, 76), 'corrupt bochs.bitmap-size'],
    ['extent size', (image) => image.writeUInt32LE(1000, 80), 'corrupt bochs.extent-size'],
    ['extent size of zero', (image) => image.writeUInt32LE(0, 80), 'corrupt bochs.extent-size'],
    ['huge extent', (image) => image.writeUInt32LE(2 ** 24, 80), 'corrupt bochs.extent-size'],
    ['huge disk', (image) => image.fill(0xff, 88, 96), 'unsupported bytes.integer-above-2^53'],
  ])('is refused for another %s', (_, patch, expected) => {
    expect(refusalOf(() => open(patched(patch)))).toBe(expected);
  });

  it('refuses an extent past the end where it is read, and nothing else', () => {
    const disk = open(patched((image) => image.writeUInt32LE(4, CATALOG + 2 * 4)));
    expect(refusalOf(() => disk.readSync(new Uint8Array(1), 2 * EXTENT))).toBe(
      'corrupt bochs.extent-place',
    );
    const bytes = Buffer.alloc(EXTENT);
    disk.readSync(bytes, 3 * EXTENT);
    expect(bytes.equals(content.subarray(3 * EXTENT, 4 * EXTENT))).toBe(true);
  });

  it('has no snapshots', () => {
    expect(refusalOf(() => open(buildBochs(content, EXTENT), 'one'))).toBe(
      'not-found bochs.no-snapshots',
    );
  });
});
