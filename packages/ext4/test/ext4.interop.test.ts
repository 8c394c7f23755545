/**
 * Images with every feature that e2fsprogs can make, crashed ones among them, compared with what
 * the kernel (or e2fsprogs) sees of them. `scripts/ext4/make-images.sh` makes them into the folder
 * of DISKFILE_EXT4_IMAGES; those that are there already are used again.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import { differences, open } from './support/compare.ts';
import { expectVolumeFacts } from './support/expectations.ts';
import { FileSource } from './support/file-source.ts';
import { type ImageFacts, loadIndex, loadManifest } from './support/manifest.ts';

const folder = process.env['DISKFILE_EXT4_IMAGES'] ?? join(tmpdir(), 'diskfile-ext4-images');
const script = join(import.meta.dirname, '../../../scripts/ext4/make-images.sh');
const MISSING_TOOL = 77;

const made = spawnSync(script, [folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const missing = made.status === MISSING_TOOL;
if (missing) console.warn(`skipped: ext2, ext3 and ext4 images. ${made.stderr.trim()}`);

const images = made.status === 0 ? loadIndex(folder) : [];
const readable = images.filter(({ expects }) => expects === 'ok');

async function withImage<T>(facts: ImageFacts, use: (source: FileSource) => Promise<T>) {
  const source = new FileSource(join(folder, facts.image));
  try {
    return await use(source);
  } finally {
    source.close();
  }
}

/** Facts about space that debugfs gives for a tree: without the kernel's count of inline data. */
function asDebugfsSees(facts: ImageFacts, found: readonly unknown[]): readonly unknown[] {
  if (facts.oracle !== 'source' || !facts.features.includes('inline_data')) return found;
  return found.filter((difference) => {
    const { expected, seen } = difference as Record<'expected' | 'seen', object | undefined>;
    return Object.keys(expected ?? {}).join(',') !== 'blocks' || seen === undefined;
  });
}

describe.skipIf(missing)('ext2, ext3 and ext4 images', () => {
  it('are made', () => {
    expect(made.status, made.stderr).toBe(0);
    expect(readable.length).toBeGreaterThanOrEqual(25);
    expect(readable.filter(({ dirty }) => dirty).length).toBeGreaterThanOrEqual(10);
  });

  it.each(readable)('$name: $notes', async (facts) => {
    const manifest = loadManifest(join(folder, facts.manifest));
    await withImage(facts, async (source) => {
      const { fs, volume } = await open(source, 'sync');
      expect(asDebugfsSees(facts, await differences(fs, manifest, 'sync'))).toEqual([]);
      expectVolumeFacts(volume, facts);
      for (const [wanted, there] of facts.lookups ?? []) {
        expect(fs.statSync(wanted).inode, wanted).toBe(fs.statSync(there).inode);
      }
    });
  });

  it.each(readable)('$name, asynchronously', async (facts) => {
    const manifest = loadManifest(join(folder, facts.manifest));
    await withImage(facts, async (source) => {
      const { fs } = await open(source, 'async');
      expect(asDebugfsSees(facts, await differences(fs, manifest, 'async'))).toEqual([]);
    });
  });

  it.each(readable)('$name: the type is the one of blkid', async (facts) => {
    const path = join(folder, facts.image);
    const type = execFileSync('blkid', ['-p', '-o', 'value', '-s', 'TYPE', path], {
      encoding: 'utf8',
    });
    await withImage(facts, async (source) => {
      expect((await open(source, 'sync')).volume.type).toBe(type.trim());
    });
  });

  it.each(images.filter(({ expects }) => expects === 'refuse'))(
    '$name is refused: $notes',
    async (facts) => {
      await withImage(facts, async (source) => {
        await expect(open(source, 'sync')).rejects.toBeInstanceOf(DiskError);
      });
    },
  );
});
