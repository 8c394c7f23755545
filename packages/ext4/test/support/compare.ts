/** Comparing a whole filesystem with its manifest. */
import { DiskError } from '@diskfile/bytes';
import {
  type ByteSource,
  DEFAULT_LIMITS,
  FileSystem,
  runAsync,
  runSync,
  type Volume,
} from '@diskfile/core';
import { ext4Driver } from '@diskfile/ext4';
import type { ManifestEntry } from './manifest.ts';
import { asyncAccess, observe, syncAccess } from './observe.ts';

export type Mode = 'sync' | 'async';

export interface Opened {
  readonly fs: FileSystem;
  readonly volume: Volume;
}

/** Mounts what a source holds; in strict mode, so that checksums that do not fit are errors. */
export async function open(source: ByteSource, mode: Mode, strict = true): Promise<Opened> {
  const mount = ext4Driver.mount({ source, limits: DEFAULT_LIMITS, strict });
  const volume = mode === 'sync' ? runSync(mount) : await runAsync(mount);
  return { fs: new FileSystem(volume, { synchronous: mode === 'sync' }), volume };
}

/** All paths that differ from the manifest, with what is expected and what is seen. */
export async function differences(
  fs: FileSystem,
  manifest: readonly ManifestEntry[],
  mode: Mode,
): Promise<unknown[]> {
  const expected = new Map(manifest.map((entry) => [entry.path, entry]));
  const access = mode === 'sync' ? syncAccess(fs) : asyncAccess(fs);
  const found: unknown[] = [];
  const onError = (error: DiskError, path: string) => {
    // What is encrypted is listed, but not what lies below it.
    if (error.detail === 'ext4.encrypted' && expected.get(path)?.encrypted) return;
    found.push({ path, error: error.describe() });
  };
  const walk = mode === 'sync' ? fs.walkSync('/', { onError }) : fs.walk('/', { onError });
  const unseen = new Set(expected.keys());
  for await (const { path, stats } of walk) {
    const entry = expected.get(path);
    if (entry === undefined) {
      found.push({ path, unexpected: stats });
      continue;
    }
    unseen.delete(path);
    const seen = await observe(access, path, stats, entry).catch((error: unknown) => ({
      error: error instanceof DiskError ? error.describe() : String(error),
    }));
    const differing = difference(entry, seen);
    if (differing !== undefined) found.push({ path, ...differing });
    if (entry.encrypted) found.push(...(await readableThoughEncrypted(fs, path, entry)));
  }
  for (const path of unseen) found.push({ path, missing: true });
  return found;
}

function difference(entry: ManifestEntry, seen: Record<string, unknown>) {
  const keys = new Set([...Object.keys(entry), ...Object.keys(seen)]);
  const differing = [...keys].filter(
    (key) =>
      JSON.stringify(sorted(entry[key as keyof ManifestEntry])) !==
      JSON.stringify(sorted(seen[key])),
  );
  if (differing.length === 0) return undefined;
  const pick = (from: object) =>
    Object.fromEntries(Object.entries(from).filter(([key]) => differing.includes(key)));
  return { expected: pick(entry), seen: pick(seen) };
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** An encrypted file, directory or link has to be refused by name. */
async function readableThoughEncrypted(fs: FileSystem, path: string, entry: ManifestEntry) {
  try {
    if (entry.type === 'directory') await fs.readdir(path).next();
    else if (entry.type === 'symlink') await fs.readlink(path);
    else if (entry.type === 'file') await fs.open(path);
    else return [];
  } catch (error) {
    if (error instanceof DiskError && error.detail === 'ext4.encrypted') return [];
    throw error;
  }
  return [{ path, readable: 'although it is encrypted' }];
}
