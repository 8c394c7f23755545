/**
 * Reading guest files by path: the interface that people program against, the same for every
 * filesystem. Links are resolved inside the guest and never lead out of it.
 */
import { DiskError } from '@diskfile/bytes';
import { checkOptions } from '../arguments.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { runAsync, runSync, type Step } from '../step.ts';
import { FileHandle } from './file-handle.ts';
import { fileStream, type ReadStreamOptions } from './file-stream.ts';
import { type Mount, MountTable } from './mount-table.ts';
import { type ResolvedPath, resolvePath } from './path-walk.ts';
import { type TreeEntry, TreeWalk, type WalkOptions } from './tree-walk.ts';
import { checkReading, type ReadFileOptions, wholeFile } from './whole-file.ts';
import type { DirectoryCursor, DirectoryEntry, FileStats, Volume, VolumeUsage } from './volume.ts';

export interface FileSystemOptions {
  readonly limits?: Limits;
  /** Whether the `Sync` methods may be used. */
  readonly synchronous: boolean;
  /** Releases what stands below; called once. */
  readonly close?: () => Step<void>;
}

export interface PathOptions {
  /** False to mean a link itself when the path ends in one. Default true. */
  readonly followLinks?: boolean;
}

/** A guest tree: one volume, or several mounted into one another. */
export class FileSystem implements AsyncDisposable, Disposable {
  readonly synchronous: boolean;
  readonly #table: MountTable;
  readonly #limits: Limits;
  #close: (() => Step<void>) | undefined;

  constructor(root: Volume, options: FileSystemOptions) {
    this.#table = new MountTable(root);
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.synchronous = options.synchronous;
    this.#close = options.close;
  }

  /** What is mounted where; the root first. */
  get mounts(): readonly Mount[] {
    return this.#table.mounts;
  }

  /** Mounts a volume on a directory of the tree. @throws DiskError when there is no such one. */
  async mount(path: string, volume: Volume): Promise<void> {
    await this.#async('mount', path, this.mountStep(path, volume));
  }

  *mountStep(path: string, volume: Volume): Step<void> {
    const place = yield* resolvePath(this.#table, path, true);
    const { type } = yield* place.mount.volume.stat(place.inode);
    if (type !== 'directory') throw wrongType('not-a-directory', 'is not a directory');
    this.#table.add(place, { path: place.path, volume });
  }

  /** Facts about a file; a link in the last place is followed. */
  stat(path: string): Promise<FileStats> {
    return this.#async('stat', path, this.#stat(path, true));
  }

  statSync(path: string): FileStats {
    return this.#sync('stat', path, this.#stat(path, true));
  }

  /** Facts about a file or about the link itself. */
  lstat(path: string): Promise<FileStats> {
    return this.#async('lstat', path, this.#stat(path, false));
  }

  lstatSync(path: string): FileStats {
    return this.#sync('lstat', path, this.#stat(path, false));
  }

  /** Whether a path leads to something; other errors than "not found" are thrown. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  existsSync(path: string): boolean {
    try {
      this.statSync(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  /** The entries of a directory in the order of the disk, `.` and `..` left out, as a stream. */
  async *readdir(path: string): AsyncGenerator<DirectoryEntry> {
    const cursor = await this.#async('readdir', path, this.#openDirectory(path));
    for (;;) {
      const entries = await this.#async('readdir', path, cursor.next());
      if (entries === undefined) return;
      yield* entries;
    }
  }

  *readdirSync(path: string): Generator<DirectoryEntry> {
    const cursor = this.#sync('readdir', path, this.#openDirectory(path));
    for (;;) {
      const entries = this.#sync('readdir', path, cursor.next());
      if (entries === undefined) return;
      yield* entries;
    }
  }

  /**
   * A path and all below it, in the order of names, links not followed. Directories of more than a
   * million names come in the order of the disk.
   */
  async *walk(path: string, options: WalkOptions = {}): AsyncGenerator<TreeEntry> {
    const start = await this.#async('walk', path, resolvePath(this.#table, path, false));
    const walk = new TreeWalk(this.#table, start, options);
    for (;;) {
      const entry = await this.#async('walk', path, walk.next());
      if (entry === undefined) return;
      yield entry;
    }
  }

  *walkSync(path: string, options: WalkOptions = {}): Generator<TreeEntry> {
    const start = this.#sync('walk', path, resolvePath(this.#table, path, false));
    const walk = new TreeWalk(this.#table, start, options);
    for (;;) {
      const entry = this.#sync('walk', path, walk.next());
      if (entry === undefined) return;
      yield entry;
    }
  }

  readlink(path: string): Promise<string> {
    return this.#async('readlink', path, this.#readlink(path));
  }

  readlinkSync(path: string): string {
    return this.#sync('readlink', path, this.#readlink(path));
  }

  /** The absolute path without links. */
  async realpath(path: string): Promise<string> {
    return (await this.#async('realpath', path, resolvePath(this.#table, path, true))).path;
  }

  realpathSync(path: string): string {
    return this.#sync('realpath', path, resolvePath(this.#table, path, true)).path;
  }

  /** Opens a regular file. Handles hold no host resource and need no closing. */
  open(path: string): Promise<FileHandle> {
    return this.#async('open', path, this.#open(path));
  }

  openSync(path: string): FileHandle {
    return this.#sync('open', path, this.#open(path));
  }

  /** A whole file. @throws DiskError `limit` when it is longer than `maxBytes`. */
  async readFile(path: string, options: ReadFileOptions = {}): Promise<Uint8Array> {
    checkReading(options);
    const handle = await this.open(path);
    const bytes = wholeFile(handle, options);
    await handle.read(bytes, 0);
    return bytes;
  }

  readFileSync(path: string, options: ReadFileOptions = {}): Uint8Array {
    checkReading(options);
    const handle = this.openSync(path);
    const bytes = wholeFile(handle, options);
    handle.readSync(bytes, 0);
    return bytes;
  }

  /**
   * The bytes of a file as a web stream: iterable with `for await`, and a Node stream by
   * `Readable.fromWeb`. Memory stays constant whatever the file's size.
   */
  createReadStream(path: string, options: ReadStreamOptions = {}): ReadableStream<Uint8Array> {
    return fileStream(() => this.open(path), options);
  }

  /** Extended attributes by full name. Values are as `getxattr(2)` gives them. */
  xattrs(path: string, options: PathOptions = {}): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#async('xattrs', path, this.#xattrs(path, options));
  }

  xattrsSync(path: string, options: PathOptions = {}): ReadonlyMap<string, Uint8Array> {
    return this.#sync('xattrs', path, this.#xattrs(path, options));
  }

  /** Size and free space of the volume that holds a path. */
  async statfs(path = '/'): Promise<VolumeUsage> {
    const { mount } = await this.#async('statfs', path, resolvePath(this.#table, path, true));
    return mount.volume.usage();
  }

  statfsSync(path = '/'): VolumeUsage {
    return this.#sync('statfs', path, resolvePath(this.#table, path, true)).mount.volume.usage();
  }

  /** Releases the disks below. Closing twice is harmless. */
  async close(): Promise<void> {
    await runAsync(this.#closeStep());
  }

  closeSync(): void {
    runSync(this.#closeStep());
  }

  *#closeStep(): Step<void> {
    const close = this.#close;
    this.#close = undefined;
    if (close !== undefined) yield* close();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  *#stat(path: string, followLast: boolean): Step<FileStats> {
    const { mount, inode } = yield* resolvePath(this.#table, path, followLast);
    return yield* mount.volume.stat(inode);
  }

  *#openDirectory(path: string): Step<DirectoryCursor> {
    const { mount, inode } = yield* resolvePath(this.#table, path, true);
    const cursor = yield* mount.volume.openDirectory(inode);
    return cursor;
  }

  *#readlink(path: string): Step<string> {
    const { mount, inode } = yield* resolvePath(this.#table, path, false);
    const { type } = yield* mount.volume.stat(inode);
    if (type !== 'symlink') throw wrongType('not-a-link', 'is not a symbolic link');
    return yield* mount.volume.readlink(inode);
  }

  *#open(path: string): Step<FileHandle> {
    const resolved: ResolvedPath = yield* resolvePath(this.#table, path, true);
    const { volume } = resolved.mount;
    const stats = yield* volume.stat(resolved.inode);
    if (stats.type === 'directory') throw wrongType('is-a-directory', 'is a directory');
    if (stats.type !== 'file') throw wrongType('not-a-file', `is a ${stats.type}, not a file`);
    const map = yield* volume.openFile(resolved.inode);
    return new FileHandle(resolved.path, stats, map, this.#limits);
  }

  *#xattrs(path: string, options: PathOptions): Step<ReadonlyMap<string, Uint8Array>> {
    checkOptions('xattrs', options, { followLinks: 'flag' });
    const follow = options.followLinks ?? true;
    const { mount, inode } = yield* resolvePath(this.#table, path, follow);
    return yield* mount.volume.xattrs(inode);
  }

  async #async<T>(op: string, guestPath: string, step: Step<T>): Promise<T> {
    try {
      return await runAsync(step);
    } catch (error) {
      throw located(error, op, guestPath);
    }
  }

  #sync<T>(op: string, guestPath: string, step: Step<T>): T {
    if (!this.synchronous) {
      throw new DiskError(
        'unsupported',
        'filesystem.no-sync',
        `${op}Sync needs a storage that can be read synchronously`,
        { op, guestPath, hint: 'Use the asynchronous form.' },
      );
    }
    try {
      return runSync(step);
    } catch (error) {
      throw located(error, op, guestPath);
    }
  }
}

function located(error: unknown, op: string, guestPath: string): unknown {
  if (!(error instanceof DiskError)) return error;
  return error.addContext({ op, guestPath, layer: 'filesystem' });
}

function isAbsent(error: unknown): boolean {
  return (
    error instanceof DiskError &&
    (error.code === 'not-found' || error.detail === 'filesystem.not-a-directory')
  );
}

function wrongType(detail: string, what: string): DiskError {
  return new DiskError('invalid-argument', `filesystem.${detail}`, `The guest path ${what}`);
}
