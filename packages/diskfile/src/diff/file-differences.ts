/** Which files of two guests differ. */
import { DiskError } from '@diskfile/bytes';
import {
  checkArgument,
  checkOptions,
  type FileHandle,
  type FileStats,
  type FileSystem,
} from '@diskfile/core';
import { refuseAborted } from '../workers/aborted.ts';

const CHUNK_BYTES = 1024 * 1024;
/** A path that leads nowhere. */
const MISSING: ReadonlySet<string> = new Set([
  'filesystem.not-found',
  'filesystem.not-a-directory',
]);

/** In what a file differs that both guests have. */
export type FileAspect = 'type' | 'permissions' | 'owner' | 'size' | 'content' | 'link' | 'device';

export interface FileDifference {
  readonly path: string;
  /** `removed`: only the first has it; `added`: only the second. */
  readonly change: 'added' | 'removed' | 'changed';
  /** Empty unless `changed`. */
  readonly aspects: readonly FileAspect[];
}

export interface FileDifferencesOptions {
  /** Where to begin; default the root. */
  readonly path?: string;
  readonly signal?: AbortSignal;
}

/**
 * The files in which two guests differ: first those that the first guest has, in its order, then
 * those that only the second has. Times and links to the same file are not compared.
 * @throws DiskError what reading throws; `not-found`, `aborted`
 */
export function* fileDifferencesSync(
  first: FileSystem,
  second: FileSystem,
  options: FileDifferencesOptions = {},
): Generator<FileDifference> {
  for (const [name, given] of Object.entries({ first, second })) {
    checkArgument('diff', name, given, 'fileSystem');
  }
  checkOptions('diff', options, { path: 'text', signal: 'signal' });
  const { path = '/', signal } = options;
  const comparer = new FileComparer(first, second);
  for (const { path: own, stats, other } of pairsOf(first, second, path, signal)) {
    if (other === undefined) {
      yield { path: own, change: 'removed', aspects: [] };
      continue;
    }
    const aspects = comparer.compare(own, stats, other);
    if (aspects.length > 0) yield { path: own, change: 'changed', aspects };
  }
  for (const { path: own, other } of pairsOf(second, first, path, signal)) {
    if (other === undefined) yield { path: own, change: 'added', aspects: [] };
  }
}

interface FilePair {
  readonly path: string;
  readonly stats: FileStats;
  /** Of the file at the same path in the other guest. */
  readonly other: FileStats | undefined;
}

/** All files of a guest, each with what the other guest has in its place. */
function* pairsOf(
  fileSystem: FileSystem,
  otherFileSystem: FileSystem,
  root: string,
  signal: AbortSignal | undefined,
): Generator<FilePair> {
  // What is no directory in the other guest has nothing below it; a link there leads elsewhere.
  let unmatched: string | undefined;
  for (const { path, stats } of fileSystem.walkSync(root)) {
    refuseAborted(signal, path);
    const isBelow = unmatched !== undefined && path.startsWith(`${unmatched}/`);
    const other = isBelow ? undefined : statsOf(otherFileSystem, path);
    if (!isBelow && other?.type !== 'directory') unmatched = path;
    yield { path, stats, other };
  }
}

function statsOf(fileSystem: FileSystem, path: string): FileStats | undefined {
  try {
    return fileSystem.lstatSync(path);
  } catch (error) {
    if (error instanceof DiskError && MISSING.has(error.detail)) return undefined;
    throw error;
  }
}

class FileComparer {
  readonly #first: FileSystem;
  readonly #second: FileSystem;
  readonly #buffers = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const;

  constructor(first: FileSystem, second: FileSystem) {
    this.#first = first;
    this.#second = second;
  }

  compare(path: string, one: FileStats, other: FileStats): FileAspect[] {
    if (one.type !== other.type) return ['type'];
    const aspects: FileAspect[] = [];
    if (one.permissions !== other.permissions) aspects.push('permissions');
    if (one.uid !== other.uid || one.gid !== other.gid) aspects.push('owner');
    if (isOtherDevice(one, other)) aspects.push('device');
    if (one.type === 'symlink') {
      if (this.#first.readlinkSync(path) !== this.#second.readlinkSync(path)) aspects.push('link');
    } else if (one.type === 'file') {
      if (one.sizeBytes !== other.sizeBytes) aspects.push('size');
      else if (!this.#isSameContent(path)) aspects.push('content');
    }
    return aspects;
  }

  #isSameContent(path: string): boolean {
    const one = this.#first.openSync(path);
    const other = this.#second.openSync(path);
    for (let offset = 0; ;) {
      const left = readWhole(one, this.#buffers[0], offset);
      const right = readWhole(other, this.#buffers[1], offset);
      if (Buffer.compare(left, right) !== 0) return false;
      if (left.length === 0) return true;
      offset += left.length;
    }
  }
}

function isOtherDevice({ device: one }: FileStats, { device: other }: FileStats): boolean {
  return one?.major !== other?.major || one?.minor !== other?.minor;
}

function readWhole(file: FileHandle, buffer: Uint8Array, offset: number): Uint8Array {
  return buffer.subarray(0, file.readSync(buffer, offset));
}
