/**
 * A whole Debian guest, made from Debian's packages by `scripts/guest/make-guest.sh`: every file of
 * every variant of its disk equals the tree that the kernel sees.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listTree, type ManifestEntry, readManifest } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { type DiskFile, openDiskFile, openGuest } from '../../src/index.ts';

const folder = process.env['DISKFILE_GUEST_IMAGES'] ?? join(tmpdir(), 'diskfile-guest-images');
const script = join(import.meta.dirname, '../../../../scripts/guest/make-guest.sh');
const MISSING_TOOL = 77;

const made = spawnSync(script, [folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const missing = made.status === MISSING_TOOL;
if (missing) console.warn(`skipped: the Debian guest. ${made.stderr.trim()}`);

interface Variant {
  readonly file: string;
  readonly snapshot: string | undefined;
  readonly sha256: string;
  readonly manifest: string;
}

function variants(): Variant[] {
  const [, ...rows] = readFileSync(join(folder, 'variants.tsv'), 'utf8').trim().split('\n');
  return rows.map((row) => {
    const [file, snapshot, sha256, manifest] = row.split('\t') as [string, string, string, string];
    return { file, snapshot: snapshot === '-' ? undefined : snapshot, sha256, manifest };
  });
}

async function hashOf(disk: DiskFile): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(4 * 1024 * 1024);
  for (let at = 0; at < disk.sizeBytes; at += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, disk.sizeBytes - at));
    await disk.read(chunk, at);
    hash.update(chunk);
  }
  return hash.digest('hex');
}

/** A walk meets hard links in another order than a sorted list does: compare them by their file. */
function withoutLinkOrder(entries: readonly ManifestEntry[]): Map<string, ManifestEntry> {
  return new Map(
    entries.map(({ hardLinkTo, ...entry }) => [entry.path, entry] as [string, ManifestEntry]),
  );
}

describe.skipIf(missing)('a Debian guest', () => {
  it('is made', () => {
    expect(made.status, made.stderr).toBe(0);
  });

  const cases = made.status === 0 ? variants() : [];

  it.each(cases)('$file $snapshot: the disk is the one it was made from', async (variant) => {
    const { snapshot, sha256 } = variant;
    const options = snapshot === undefined ? {} : { snapshot };
    await using disk = await openDiskFile(join(folder, variant.file), options);
    expect(await hashOf(disk)).toBe(sha256);
  });

  it.each(cases)('$file $snapshot: every file is as the kernel sees it', async (variant) => {
    const { snapshot } = variant;
    const options = snapshot === undefined ? {} : { snapshot };
    await using disk = await openDiskFile(join(folder, variant.file), options);
    await using guest = await openGuest(disk);
    const wanted = withoutLinkOrder(readManifest(join(folder, variant.manifest)));
    for (const how of ['sync', 'async'] as const) {
      const listed = withoutLinkOrder(await listTree(guest.fileSystem, how));
      expect([...listed.keys()].toSorted()).toEqual([...wanted.keys()].toSorted());
      const different = [...wanted].filter(
        ([path, entry]) =>
          JSON.stringify(sorted(entry)) !== JSON.stringify(sorted(listed.get(path)!)),
      );
      expect(different.map(([path, entry]) => [entry, listed.get(path)])).toEqual([]);
    }
  });
});

function sorted(entry: ManifestEntry): unknown {
  const xattrs = Object.entries(entry.xattrs ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.entries({ ...entry, xattrs }).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
