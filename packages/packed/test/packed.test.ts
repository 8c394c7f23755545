import { deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { xxh64Low } from '@diskfile/bytes';
import { makeEncoders } from '@diskfile/codec';
import { runSync } from '@diskfile/core';
import { buildLz4, buildSeekableZstd, refusalOf } from '@diskfile/testkit';
import { expectContent, native, open, portable } from './support/open-packed.ts';
import { XZ_CONTENT, XZ_FILE } from './support/xz-file.ts';

/** Zeros, text and noise. */
const content = Buffer.alloc(3_000_320).map((_, at) => {
  const kind = Math.floor(at / 60_000) % 3;
  if (kind === 0) return 0;
  return kind === 1 ? 97 + ((at * at) % 23) : Math.imul(at, 0x9e37_79b1) >>> 24;
});
const zstd = runSync(makeEncoders({ native: false }).load('zstd'));

function zstdFrame(bytes: Uint8Array): Uint8Array {
  const room = new Uint8Array(bytes.length + 1024);
  return room.slice(0, zstd.encodeSync(bytes, room)!);
}

function parts(bytes: Uint8Array, length: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  );
}

function damaged(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at]! ^= 0x10;
  return copy;
}

describe('gzip', () => {
  const one = gzipSync(content);

  it.each([1, 3, 100_000])('reads from any place, with room for %i checkpoints', async (room) => {
    const disk = open(one, { limits: { metadataCacheBytes: room * 2 * 33_100 } });
    const { checkpoints } = disk.info()[0]!.details;
    expect(checkpoints).toBe(room === 100_000 ? 3 : Math.min(room, 2) + (room > 1 ? 1 : 0));
    await expectContent(disk, content);
  });

  it('reads members one behind the other, with headers of all kinds, and zeros behind', async () => {
    const flags = Buffer.of(0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3);
    const header = Buffer.concat([
      flags,
      Buffer.of(2, 0, 7, 7),
      Buffer.from('name\0note\0'),
      Buffer.of(1, 2),
    ]);
    const second = gzipSync(content.subarray(2_000_000));
    const file = Buffer.concat([
      gzipSync(content.subarray(0, 700_000)),
      gzipSync(Buffer.alloc(0)),
      header,
      deflateRawSync(content.subarray(700_000, 2_000_000)),
      gzipSync(content.subarray(700_000, 2_000_000)).subarray(-8),
      second,
      Buffer.alloc(1000),
    ]);
    const disk = open(file);
    expect(disk.info()[0]!.details['members']).toBe(4);
    expect(disk.warnings).toEqual([]);
    await expectContent(disk, content);
    const tail = open(Buffer.concat([one, Buffer.from('tail')]));
    expect(tail.warnings.map(({ detail }) => detail)).toEqual(['gzip.tail']);
  });

  it('refuses what is damaged', () => {
    expect(refusalOf(() => open(damaged(one, -1)))).toBe('corrupt gzip.broken');
    expect(refusalOf(() => open(damaged(one, -5)))).toBe('corrupt gzip.broken');
    expect(refusalOf(() => open(one.subarray(0, 30_000)))).toBe('corrupt packed.truncated');
    expect(refusalOf(() => open(one.subarray(0, 5)))).toBe('corrupt packed.truncated');
    expect(refusalOf(() => open(damaged(one, Math.floor(one.length / 2))))).toMatch(/^corrupt /);
  });

  it('does not unpack more than it may', () => {
    const limits = { maxUnpackedBytes: 2_000_000 };
    expect(refusalOf(() => open(one, { limits }))).toBe('limit packed.too-long');
  });
});

describe('zstd', () => {
  it.each([
    ['native', native],
    ['portable', portable],
  ])('reads frames of any size, %s', async (_name, decoders) => {
    await expectContent(
      open(zstdFrame(content.subarray(0, 1_000_448)), { decoders }),
      content.subarray(0, 1_000_448),
    );
    const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex');
    const frames = parts(content, 300_000).map(zstdFrame);
    const many = open(Buffer.concat([skippable, ...frames, skippable]), { decoders });
    expect(many.info()[0]!.details).toMatchObject({ frames: frames.length, seekable: false });
    await expectContent(many, content);
    // Zeros, and with them too much for one piece: gone through from the front.
    const large = Buffer.alloc(6 * 1024 * 1024);
    large.set(content, 1_000_000);
    const blocks = Buffer.concat(
      parts(large, 2 ** 17).map((part) =>
        rawBlock(part, part.byteOffset + part.length === large.byteOffset + large.length),
      ),
    );
    const header = Buffer.from('28b52ffd0058', 'hex');
    const single = open(Buffer.concat([header, blocks]), { decoders });
    await expectContent(single, large);
  });

  /** A block that is stored as it is. */
  function rawBlock(bytes: Uint8Array, isLast: boolean): Buffer {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(bytes.length * 8 + (isLast ? 1 : 0));
    return Buffer.concat([header.subarray(0, 3), bytes]);
  }

  const seekable = parts(content, 250_000).map((part) => ({
    bytes: zstdFrame(part),
    contentBytes: part.length,
    checksum: xxh64Low(part),
  }));

  it('goes by the seek table, with and without checksums', async () => {
    const bare = seekable.map(({ bytes, contentBytes }) => ({ bytes, contentBytes }));
    for (const frames of [seekable, bare]) {
      const disk = open(buildSeekableZstd(frames));
      expect(disk.info()[0]!.details).toMatchObject({ seekable: true, frames: 13 });
      await expectContent(disk, content);
    }
  });

  it('refuses a seek table that lies', () => {
    const file = buildSeekableZstd(seekable);
    const lie = (at: number, value: number) => {
      const copy = Buffer.from(file);
      copy.writeUInt32LE(value, at);
      return copy;
    };
    const table = file.length - 9 - 13 * 12 - 8;
    const refused = 'corrupt zstd.seek-table';
    expect(refusalOf(() => open(lie(file.length - 9, 14)))).toBe(refused);
    expect(refusalOf(() => open(lie(file.length - 9, 0xffff_ffff)))).toBe(refused);
    expect(refusalOf(() => open(lie(table + 4, 7)))).toBe(refused);
    expect(refusalOf(() => open(lie(table + 8, 7)))).toBe(refused);
    expect(refusalOf(() => open(damaged(file, -5)))).toBe(refused);
    // As long together, but not where frames begin.
    const moved = lie(table + 8, seekable[0]!.bytes.length + 4);
    moved.writeUInt32LE(seekable[1]!.bytes.length - 4, table + 8 + 12);
    const broken = 'corrupt codec.zstd-broken';
    expect(refusalOf(() => open(moved))).toBe(broken);
    expect(refusalOf(() => open(lie(table + 12, 249_999)))).toBe(broken);
    expect(refusalOf(() => open(lie(table + 12, 250_001)))).toBe(broken);
    const late = open(lie(table + 12 + 3 * 12, 250_001));
    expect(refusalOf(() => late.readSync(new Uint8Array(10), 750_000))).toBe(broken);
  });

  it('refuses a unit that holds more frames than its table tells of', () => {
    const [first, second] = seekable as [(typeof seekable)[0], (typeof seekable)[0]];
    const hidden = { ...first!, bytes: Buffer.concat([first!.bytes, second!.bytes]) };
    expect(refusalOf(() => open(buildSeekableZstd([hidden])))).toBe('corrupt codec.zstd-broken');
  });

  it('refuses frames that cannot hold what they say, and what is cut', () => {
    const [{ bytes }] = seekable as [(typeof seekable)[0]];
    const bomb = Buffer.from(bytes!);
    // The size has four bytes, behind descriptor and perhaps a window.
    const sizeAt = bomb[4]! % 64 >= 32 ? 5 : 6;
    bomb.writeUInt32LE(0x7fff_ffff, sizeAt);
    expect(refusalOf(() => open(bomb))).toMatch(/^(corrupt|limit) codec.zstd/);
    expect(refusalOf(() => open(bytes!.subarray(0, 1000)))).toBe('corrupt packed.truncated');
    expect(refusalOf(() => open(Buffer.concat([bytes!, Buffer.from('no frame at all')])))).toBe(
      'corrupt codec.zstd-broken',
    );
  });
});

describe('lz4', () => {
  it.each([
    ['plain ones', {}],
    [
      'large blocks with checksums',
      { blockSizeId: 5, hasBlockChecksums: true, hasContentSize: true },
    ],
    ['the largest blocks', { blockSizeId: 7, hasContentChecksum: false }],
    ['linked blocks', { isLinked: true }],
    ['linked blocks with checksums', { isLinked: true, hasBlockChecksums: true }],
    ['blocks that are not full', { blocks: parts(content, 50_001) }],
  ])('reads frames of any kind: %s', async (_name, spec) => {
    const file = buildLz4(content, spec);
    await expectContent(open(file), content);
    await expectContent(
      open(file, { decoders: portable, limits: { metadataCacheBytes: 1000 } }),
      content,
    );
  });

  it('reads frames one behind the other', async () => {
    const skippable = Buffer.from('532a4d1803000000aabbcc', 'hex');
    const [one, two] = [content.subarray(0, 1_000_448), content.subarray(1_000_448)];
    const file = Buffer.concat([
      skippable,
      buildLz4(one),
      skippable,
      buildLz4(two, { isLinked: true }),
    ]);
    await expectContent(open(file), content);
  });

  it('refuses what is damaged', () => {
    const file = buildLz4(content, { hasBlockChecksums: true, hasContentSize: true });
    expect(refusalOf(() => open(damaged(file, -1)))).toBe('corrupt lz4.broken');
    expect(refusalOf(() => open(damaged(file, 14)))).toBe('corrupt lz4.broken');
    expect(refusalOf(() => open(damaged(file, 100)))).toBe('corrupt lz4.broken');
    expect(refusalOf(() => open(file.subarray(0, -6)))).toBe('corrupt packed.truncated');
    const plain = buildLz4(content, { hasContentChecksum: false });
    expect(refusalOf(() => open(damaged(plain, 7 + 3)))).toBe('corrupt lz4.broken');
    expect(refusalOf(() => open(buildLz4(content), { limits: { maxUnpackedBytes: 1e6 } }))).toBe(
      'limit packed.too-long',
    );
  });
});

describe('xz', () => {
  it('reads blocks, streams one behind the other, and padding', async () => {
    await expectContent(open(XZ_FILE), XZ_CONTENT);
    const twice = Buffer.concat([XZ_FILE, Buffer.alloc(8), XZ_FILE, Buffer.alloc(4)]);
    const disk = open(twice);
    expect(disk.info()[0]!.details).toMatchObject({ streams: 2, blocks: 8 });
    await expectContent(disk, Buffer.concat([XZ_CONTENT, XZ_CONTENT]));
  });

  it('refuses what is damaged', () => {
    for (const at of [-1, -6, -12, -20]) {
      expect(refusalOf(() => open(damaged(XZ_FILE, at)))).toBe('corrupt xz.broken');
    }
    expect(refusalOf(() => open(Buffer.concat([XZ_FILE, Buffer.alloc(3)])))).toBe(
      'corrupt xz.broken',
    );
    expect(refusalOf(() => open(XZ_FILE.subarray(0, 1000)))).toBe('corrupt xz.broken');
    expect(refusalOf(() => open(XZ_FILE.subarray(500)))).toBe('nothing was refused');
    expect(refusalOf(() => open(damaged(XZ_FILE, 700)))).toMatch(/^corrupt codec.xz/);
  });
});

describe('what is inside', () => {
  it('is opened as what it is, through several layers, up to a bound', async () => {
    const twice = gzipSync(gzipSync(content.subarray(0, 5120)));
    const disk = open(twice);
    expect(disk.format).toBe('gzip');
    expect(disk.info()[0]!.details['contains']).toBe('gzip');
    await expectContent(disk, content.subarray(0, 5120));
    let deep: Buffer = Buffer.from('x');
    for (let depth = 0; depth < 6; depth++) deep = gzipSync(deep);
    expect(refusalOf(() => open(deep))).toBe('limit open.nested-too-deeply');
  });

  it('is not looked at where the format is stated', () => {
    const packed = gzipSync(content);
    expect(open(packed, { format: 'raw' }).format).toBe('raw');
    expect(refusalOf(() => open(packed, { format: 'zstd' }))).toMatch(/^corrupt /);
  });
});
