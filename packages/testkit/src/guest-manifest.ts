/**
 * Manifests of guest trees, as the image scripts write them from what the kernel sees, and the
 * comparison of a tree read through the library with one. `test-images/README.md` lists the fields.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { toHex } from '@diskfile/bytes';
import type { FileStats, FileSystem, FileType, Timestamp, TreeEntry } from '@diskfile/core';

export interface ManifestEntry {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly nlink?: number;
  readonly size?: number;
  readonly mtime_ns: string;
  readonly sha256?: string;
  readonly target?: string;
  readonly rdev?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly hardLinkTo?: string;
}

const MANIFEST_TYPES: Readonly<Partial<Record<FileType, string>>> = {
  'character-device': 'character',
  'block-device': 'block',
};

/** Reads a manifest of JSON lines. */
export function readManifest(path: string): ManifestEntry[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ManifestEntry);
}

/** The whole of a tree as manifest entries, read synchronously or asynchronously. */
export async function listTree(
  fileSystem: FileSystem,
  how: 'sync' | 'async',
): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  const firstPaths = new Map<string, string>();
  const tree = how === 'sync' ? fileSystem.walkSync('/') : fileSystem.walk('/');
  for await (const entry of tree) {
    const listed = await describe(fileSystem, entry, how);
    const key = `${entry.mount.path}:${entry.stats.inode}`;
    const first = firstPaths.get(key);
    if (first === undefined) firstPaths.set(key, entry.path);
    entries.push(
      first !== undefined && entry.stats.type !== 'directory'
        ? { ...listed, hardLinkTo: first }
        : listed,
    );
  }
  return entries;
}

async function describe(
  fileSystem: FileSystem,
  { path, stats }: TreeEntry,
  how: 'sync' | 'async',
): Promise<ManifestEntry> {
  const xattrs =
    how === 'sync'
      ? fileSystem.xattrsSync(path, { followLinks: false })
      : await fileSystem.xattrs(path, { followLinks: false });
  return {
    ...attributes(path, stats),
    ...(await content(fileSystem, path, stats, how)),
    ...(xattrs.size === 0
      ? {}
      : { xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [name, toHex(value)])) }),
  };
}

function attributes(path: string, stats: FileStats): ManifestEntry {
  const { type, permissions, uid, gid, linkCount, sizeBytes, device } = stats;
  return {
    path,
    type: MANIFEST_TYPES[type] ?? type,
    mode: permissions.toString(8).padStart(4, '0'),
    uid,
    gid,
    mtime_ns: nanoseconds(stats.modifyTime),
    ...(type === 'directory' ? {} : { nlink: linkCount, size: sizeBytes }),
    ...(device === undefined ? {} : { rdev: `${device.major}:${device.minor}` }),
  };
}

async function content(
  fileSystem: FileSystem,
  path: string,
  { type }: FileStats,
  how: 'sync' | 'async',
): Promise<{ target?: string; sha256?: string }> {
  if (type === 'symlink') {
    const target = how === 'sync' ? fileSystem.readlinkSync(path) : await fileSystem.readlink(path);
    return { target };
  }
  if (type !== 'file') return {};
  const hash = createHash('sha256');
  if (how === 'async') {
    for await (const chunk of fileSystem.createReadStream(path)) hash.update(chunk);
  } else {
    hashSync(fileSystem, path, (chunk) => hash.update(chunk));
  }
  return { sha256: hash.digest('hex') };
}

function hashSync(
  fileSystem: FileSystem,
  path: string,
  update: (chunk: Uint8Array) => unknown,
): void {
  const handle = fileSystem.openSync(path);
  const buffer = new Uint8Array(256 * 1024);
  for (let offset = 0; ;) {
    const count = handle.readSync(buffer, offset);
    if (count === 0) return;
    update(buffer.subarray(0, count));
    offset += count;
  }
}

/** Nanoseconds since 1970 as a decimal string. */
export function nanoseconds({ seconds, nanoseconds: rest }: Timestamp): string {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));
}
