/** Damage that reading gets past: warnings, or errors in strict mode. */
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { Report } from '../src/report.ts';
import { open } from './support/compare.ts';
import { smallImage } from './support/small-images.ts';

/** The image `extents` with a byte changed wherever some bytes stand. */
function spoiled(find: (bytes: Uint8Array) => number): Uint8Array {
  const bytes = smallImage('extents').bytes();
  const at = find(bytes);
  bytes[at]! ^= 1;
  return bytes;
}

function indexOfText(bytes: Uint8Array, text: string): number {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(text);
  expect(at).toBeGreaterThan(0);
  return at;
}

async function walk(bytes: Uint8Array, strict: boolean) {
  const { fs, volume } = await open(new MemoryStorage(bytes, 'spoiled'), 'sync', strict);
  const errors: DiskError[] = [];
  const onError = (error: DiskError) => errors.push(error);
  const entries = [...fs.walkSync('/', { onError })];
  for (const { path } of entries) {
    try {
      fs.xattrsSync(path, { followLinks: false });
    } catch (error) {
      errors.push(error as DiskError);
    }
  }
  return { entries, errors, warnings: volume.warnings };
}

describe('checksums that do not fit', () => {
  const whole = smallImage('extents').manifest.length;

  it.each([
    // A name in a leaf block of the hashed directory, and an attribute's value in a block.
    ['ext4.directory-checksum', (bytes: Uint8Array) => indexOfText(bytes, '00003-x') + 6],
    ['ext4.attribute-checksum', (bytes: Uint8Array) => indexOfText(bytes, 'SSSSSSSS') + 3],
    ['ext4.inode-checksum', (bytes: Uint8Array) => indexOfText(bytes, 'nowhere') - 0x28 + 4 * 3],
  ])('are warnings: %s', async (detail, find) => {
    const { entries, errors, warnings } = await walk(spoiled(find), false);
    expect(errors).toEqual([]);
    expect(entries).toHaveLength(whole);
    expect(new Set(warnings.map((warning) => warning.detail))).toEqual(new Set([detail]));

    const strict = await walk(spoiled(find), true);
    expect(strict.errors.length).toBeGreaterThan(0);
    for (const error of strict.errors) {
      expect(error).toMatchObject({ code: 'corrupt', detail });
      expect(error.hint).toContain('e2fsck');
      expect(error.context).toMatchObject({ path: 'spoiled', offset: expect.any(Number) });
    }
  });

  it('are mentioned once', async () => {
    const bytes = spoiled((image) => indexOfText(image, '00003-x') + 6);
    const { fs, volume } = await open(new MemoryStorage(bytes), 'sync', false);
    const read = () => [...fs.readdirSync('/hashed')].length;
    expect(read()).toBe(read());
    expect(volume.warnings).toHaveLength(1);
  });
});

describe('warnings', () => {
  it('end after a hundred', () => {
    const report = new Report('disk', false);
    for (let n = 0; n < 5000; n++) report.damage('inode-checksum', `inode ${n}`);
    expect(report.warnings).toHaveLength(101);
    expect(report.warnings.at(-1)).toMatchObject({ detail: 'ext4.more-warnings' });
  });
});

describe('a disk that ends too early', () => {
  it('still gives what it holds, and refuses the rest', async () => {
    const { bytes, manifest } = smallImage('extents');
    const cut = bytes().subarray(0, 600_000);
    const { fs, volume } = await open(new MemoryStorage(cut), 'sync', false);
    expect(volume.warnings[0]).toMatchObject({ detail: 'ext4.truncated' });
    const outcomes = new Set<string>();
    for (const { path, type } of manifest) {
      if (type !== 'file') continue;
      try {
        fs.readFileSync(path, { maxBytes: 2 ** 20 });
        outcomes.add('read');
      } catch (error) {
        expect(error).toBeInstanceOf(DiskError);
        outcomes.add((error as DiskError).code);
      }
    }
    expect(outcomes).toContain('read');
    expect(outcomes).toContain('corrupt');
  });
});
