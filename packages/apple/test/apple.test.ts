import { describe, expect, it } from 'vitest';
import { type FormatDriver, MemoryStorage } from '@diskfile/core';
import { buildAsif, buildSparseImage, detailOf, DriverInMemory } from '@diskfile/testkit';
import { asifDriver, sparseImageDriver } from '../src/index.ts';

const CHUNK = 65_536;
const BAND = 8192;
/** A chunk of scattered sectors, one of noise, one of nothing and a part. */
const content = Buffer.alloc(3 * CHUNK + 1024);
for (let at = 0; at < content.length; at++) {
  const chunk = Math.floor(at / CHUNK);
  if (chunk === 0) content[at] = Math.floor(at / 512) % 3 === 0 ? 97 + (at % 23) : 0;
  else if (chunk !== 2) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
}

type Patch = (image: Buffer) => void;

function opener(driver: FormatDriver, build: () => Buffer) {
  const images = new DriverInMemory(driver);
  return (patch: Patch = () => {}) => {
    const image = build();
    patch(image);
    return images.open(new MemoryStorage(image), { writable: false });
  };
}

const sparse = opener(sparseImageDriver, () => buildSparseImage(content, BAND));
const asif = opener(asifDriver, () => buildAsif(content));

describe.each([
  ['a sparse image', sparse, sparseImageDriver, 'sprs'],
  ['an ASIF image', asif, asifDriver, 'shdw'],
])('%s', (_, open, driver, magic) => {
  it('reads, whole and in parts', () => {
    const disk = open();
    const bytes = Buffer.alloc(content.length);
    disk.readSync(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    const part = Buffer.alloc(3000);
    disk.readSync(part, CHUNK - 1700);
    expect(part.equals(content.subarray(CHUNK - 1700, CHUNK + 1300))).toBe(true);
  });

  it('is known by its magic', () => {
    const probe = (text: string) => {
      const head = Buffer.from(text);
      return driver.probe({ head, tail: head, sizeBytes: head.length });
    };
    expect([probe(magic), probe(magic.slice(1)), probe('')]).toEqual(['yes', 'no', 'no']);
  });
});

describe('a sparse image', () => {
  it.each<[string, Patch, string]>([
    ['another beginning', (image) => image.write('x'), 'sparseimage.signature'],
    ['another version', (image) => image.writeUInt32BE(4, 4), 'sparseimage.version'],
    ['bands of nothing', (image) => image.writeUInt32BE(0, 8), 'sparseimage.geometry'],
    ['further nodes', (image) => image.writeUInt32BE(1, 24), 'sparseimage.index-nodes'],
  ])('with %s is refused', (_, patch, detail) => {
    expect(detailOf(() => sparse(patch))).toBe(detail);
  });

  it('with a band that is there twice is refused where that is read', () => {
    const disk = sparse((image) => image.copy(image, 68, 64, 68));
    expect(detailOf(() => disk.readSync(new Uint8Array(1), 3 * CHUNK))).toBe(
      'sparseimage.band-twice',
    );
    const bytes = Buffer.alloc(1024);
    disk.readSync(bytes, 1024);
    expect(bytes.equals(content.subarray(1024, 2048))).toBe(true);
  });

  it('with a band too many has a warning', () => {
    const { warnings } = sparse((image) => image.writeUInt32BE(500, 64));
    expect(warnings.map(({ detail }) => detail)).toEqual(['sparseimage.band-number']);
  });

  it('of the older kind has a size of 32 bits', () => {
    expect(sparse((image) => image.fill(0, 28, 36)).sizeBytes).toBe(content.length);
  });

  it('that was cut off is refused where it is read', () => {
    const cut = buildSparseImage(content, BAND).subarray(0, 4096 + 3 * BAND + 100);
    const disk = new DriverInMemory(sparseImageDriver).open(new MemoryStorage(cut), {
      writable: false,
    });
    const last = Buffer.alloc(1024);
    disk.readSync(last, 3 * CHUNK);
    expect(last.equals(content.subarray(3 * CHUNK))).toBe(true);
    expect(detailOf(() => disk.readSync(last, 0))).toBe('sparseimage.band-place');
  });
});

describe('an ASIF image', () => {
  it.each<[string, Patch, string]>([
    ['another beginning', (image) => image.write('x'), 'asif.magic'],
    ['another version', (image) => image.writeUInt32BE(2, 4), 'asif.version'],
    ['flags', (image) => image.writeUInt32BE(1, 12), 'asif.flags'],
    ['directories nowhere', (image) => image.fill(0xff, 16, 32), 'bytes.integer-above-2^53'],
    [
      'directories past the end',
      (image) => image.fill(1, 18, 24).fill(1, 26, 32),
      'asif.directory',
    ],
    ['too many sectors', (image) => image.fill(0, 56, 64), 'asif.sector-count'],
    ['odd sectors', (image) => image.writeUInt16BE(520, 68), 'asif.sector-size'],
    ['tiny chunks', (image) => image.writeUInt32BE(4096, 64), 'asif.chunk-size'],
    ['odd chunks', (image) => image.writeUInt32BE(100_000, 64), 'asif.chunk-size'],
    ['huge chunks', (image) => image.writeUInt32BE(2 ** 31, 64), 'asif.chunk-size'],
  ])('with %s is refused', (_, patch, detail) => {
    expect(detailOf(() => asif(patch))).toBe(detail);
  });

  const entry = CHUNK;
  it.each<[string, Patch, string]>([
    ['a table past the end', (image) => image.writeUInt32BE(99, 2060), 'asif.table-place'],
    ['a chunk past the end', (image) => image.writeUInt32BE(99, entry + 4), 'asif.chunk-place'],
    ['a chunk in the header', (image) => image.writeUInt32BE(0, entry + 4), 'asif.chunk-place'],
    ['an unknown state', (image) => image.writeUInt8(0x80, entry), 'asif.chunk-state'],
    ['a place without a state', (image) => image.writeUInt8(0, entry), 'asif.chunk-state'],
    ['no bitmap', (image) => image.fill(0, entry + 16_384, entry + 16_392), 'asif.bitmap-place'],
    ['an unknown bit', (image) => image.writeUInt8(2, 2 * CHUNK), 'asif.sector-state'],
  ])('with %s is refused where it is read, and nothing else', (_, patch, detail) => {
    const disk = asif(patch);
    expect(detailOf(() => disk.readSync(new Uint8Array(1), 0))).toBe(detail);
    if (detail === 'asif.table-place') return;
    const bytes = Buffer.alloc(CHUNK);
    disk.readSync(bytes, CHUNK);
    expect(bytes.equals(content.subarray(CHUNK, 2 * CHUNK))).toBe(true);
  });

  it('goes by the newer directory', () => {
    const disk = asif((image) => image.writeUInt32BE(9, 1028));
    const bytes = Buffer.alloc(content.length, 1);
    disk.readSync(bytes, 0);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
