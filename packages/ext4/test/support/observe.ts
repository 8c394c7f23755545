/** What this package sees of a path, in the words of the manifests. */
import { createHash } from 'node:crypto';
import { toHex } from '@diskfile/bytes';
import type { FileExtent, FileHandle, FileStats, FileSystem, Timestamp } from '@diskfile/core';
import type { ManifestEntry } from './manifest.ts';

const CHUNK_BYTES = 65536;
/** For reading whole files, one after another. */
const readBuffer = new Uint8Array(1024 * 1024);

/** The two forms of the interface that have to agree. */
export interface Access {
  readlink(path: string): string | Promise<string>;
  xattrs(path: string): ReadonlyMap<string, Uint8Array> | Promise<ReadonlyMap<string, Uint8Array>>;
  open(path: string): FileHandle | Promise<FileHandle>;
  read(handle: FileHandle, dst: Uint8Array, offset: number): number | Promise<number>;
  extents(handle: FileHandle): Iterable<FileExtent> | AsyncIterable<FileExtent>;
}

export function syncAccess(fs: FileSystem): Access {
  return {
    readlink: (path) => fs.readlinkSync(path),
    xattrs: (path) => fs.xattrsSync(path, { followLinks: false }),
    open: (path) => fs.openSync(path),
    read: (handle, dst, offset) => handle.readSync(dst, offset),
    extents: (handle) => handle.extentsSync(),
  };
}

export function asyncAccess(fs: FileSystem): Access {
  return {
    readlink: (path) => fs.readlink(path),
    xattrs: (path) => fs.xattrs(path, { followLinks: false }),
    open: (path) => fs.open(path),
    read: (handle, dst, offset) => handle.read(dst, offset),
    extents: (handle) => handle.extents(),
  };
}

/** The fields that `expected` has, as this package sees them. */
export async function observe(
  access: Access,
  path: string,
  stats: FileStats,
  expected: ManifestEntry,
): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = { path, ...describeStats(stats) };
  if ('target' in expected) seen['target'] = await access.readlink(path);
  if (!expected.encrypted) {
    const attributes = [...(await access.xattrs(path))].map(([name, value]) => [
      name,
      toHex(value),
    ]);
    if (attributes.length > 0) seen['xattrs'] = Object.fromEntries(attributes);
  }
  if ('sha256' in expected || 'chunks' in expected || 'data' in expected) {
    Object.assign(seen, await content(access, path, expected));
  }
  const keys = new Set(Object.keys(expected));
  // Attributes that the manifest does not have must not be there.
  if (!expected.encrypted) keys.add('xattrs');
  return Object.fromEntries(Object.entries(seen).filter(([key]) => keys.has(key)));
}

function describeStats(stats: FileStats): Record<string, unknown> {
  const { device, birthTime } = stats;
  return {
    type: stats.type.replace('-device', ''),
    mode: stats.permissions.toString(8).padStart(4, '0'),
    uid: stats.uid,
    gid: stats.gid,
    nlink: stats.linkCount,
    size: stats.sizeBytes,
    ino: stats.inode,
    blocks: stats.allocatedBytes / 512,
    atime_ns: nanoseconds(stats.accessTime),
    mtime_ns: nanoseconds(stats.modifyTime),
    ctime_ns: nanoseconds(stats.changeTime),
    ...(birthTime === undefined ? {} : { crtime_ns: nanoseconds(birthTime) }),
    ...(device === undefined ? {} : { rdev: `${device.major}:${device.minor}` }),
    ...(stats.projectId === undefined ? {} : { project: stats.projectId }),
    ...(stats.flags.includes('encrypted') ? { encrypted: true } : {}),
  };
}

function nanoseconds({ seconds, nanoseconds: rest }: Timestamp): string {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));
}

async function content(access: Access, path: string, expected: ManifestEntry) {
  const handle = await access.open(path);
  const seen: Record<string, unknown> = {};
  if ('sha256' in expected) seen['sha256'] = await wholeHash(access, handle);
  if ('chunks' in expected || 'data' in expected) {
    const data: [number, number][] = [];
    for await (const extent of access.extents(handle)) {
      if (extent.data) data.push([extent.offset, extent.lengthBytes]);
    }
    if ('data' in expected) seen['data'] = data;
    if ('chunks' in expected) seen['chunks'] = await chunkHashes(access, handle, data);
  }
  return seen;
}

async function wholeHash(access: Access, handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = 0; ;) {
    const count = await access.read(handle, readBuffer, offset);
    if (count === 0) return hash.digest('hex');
    hash.update(readBuffer.subarray(0, count));
    offset += count;
  }
}

/** Each 64 KiB piece that holds data and is not all zeros. */
async function chunkHashes(access: Access, handle: FileHandle, data: readonly [number, number][]) {
  const chunks: [number, number, string][] = [];
  const buffer = new Uint8Array(CHUNK_BYTES);
  let done = 0;
  for (const [start, length] of data) {
    for (
      let offset = Math.max(done, start - (start % CHUNK_BYTES));
      offset < start + length;
      offset += CHUNK_BYTES
    ) {
      const count = await access.read(handle, buffer, offset);
      const piece = buffer.subarray(0, count);
      if (piece.some((byte) => byte !== 0)) {
        chunks.push([offset, count, createHash('sha256').update(piece).digest('hex')]);
      }
      done = offset + CHUNK_BYTES;
    }
  }
  return chunks;
}
