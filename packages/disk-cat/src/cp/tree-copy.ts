/** Copying one operand of `disk-cp`: a file, or a directory with all below it. */
import {
  DiskError,
  entryLinkTarget,
  type FileStats,
  type FileSystem,
  type Mount,
  openEntry,
  runSync,
  type TreeEntry,
} from 'diskfile';
import type { Report } from '../cli/report.ts';
import { childPath, type HostPath } from './host-path.ts';
import type { HostWriter } from './host-writer.ts';

/** What was done, for `--json`. */
export interface CopyCounts {
  files: number;
  directories: number;
  symlinks: number;
  hardLinks: number;
  leftOut: number;
  bytes: number;
}

export interface TreeCopyOptions {
  readonly writer: HostWriter;
  readonly report: Report;
  readonly counts: CopyCounts;
  /** Whether names of one file become names of one file. */
  readonly hardLinks: boolean;
  /** Called before every file; throws to stop. */
  readonly check: () => Promise<void>;
  readonly onBytes: (lengthBytes: number) => void;
}

interface OpenDirectory {
  readonly guestPath: string;
  readonly target: HostPath;
  readonly stats: FileStats;
}

export class TreeCopy {
  readonly #options: TreeCopyOptions;
  /** First copy of each file with several links. */
  readonly #links = new Map<Mount, Map<number, HostPath>>();

  constructor(options: TreeCopyOptions) {
    this.#options = options;
  }

  /** Copies a single file; links that lead to it are followed. */
  async file(fileSystem: FileSystem, guestPath: string, target: HostPath): Promise<void> {
    const file = fileSystem.openSync(guestPath);
    await this.#options.writer.file(target, file);
    this.#countFile(file.sizeBytes);
  }

  /** Copies a path and all below it; links stay links. */
  async tree(fileSystem: FileSystem, guestPath: string, target: HostPath): Promise<void> {
    const { report, check } = this.#options;
    const open: OpenDirectory[] = [];
    let refused: string | undefined;
    const entries = fileSystem.walkSync(guestPath, { onError: (error) => report.error(error) });
    for (const entry of entries) {
      await check();
      if (refused !== undefined && isBelow(entry.path, refused)) continue;
      try {
        this.#finish(open, entry.path);
        const parent = open.at(-1);
        const place = parent === undefined ? target : placeIn(parent, entry);
        await this.#copy(entry, place);
        if (entry.stats.type !== 'directory') continue;
        open.push({ guestPath: entry.path, target: place, stats: entry.stats });
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        refused = entry.path;
        report.error(error.addContext({ guestPath: entry.path }));
      }
    }
    this.#finish(open, undefined);
  }

  async #copy(entry: TreeEntry, target: HostPath): Promise<void> {
    const { writer, counts, report } = this.#options;
    const { stats, path } = entry;
    if (stats.type === 'directory') {
      writer.directory(target, stats);
      counts.directories += 1;
      return;
    }
    const earlier = this.#earlierLink(entry);
    if (earlier !== undefined) {
      await writer.hardLink(target, earlier);
      counts.hardLinks += 1;
      this.#options.onBytes(stats.sizeBytes);
      return;
    }
    if (stats.type === 'symlink') {
      await writer.symlink(target, runSync(entryLinkTarget(entry)), stats);
      counts.symlinks += 1;
    } else if (stats.type === 'file') {
      const file = runSync(openEntry(entry));
      await writer.file(target, file);
      this.#countFile(file.sizeBytes);
    } else {
      counts.leftOut += 1;
      const message = `${path} is left out: a ${stats.type} cannot be made here; disk-tar can hold it`;
      report.warning({ detail: 'cp.left-out', message });
      return;
    }
    this.#remember(entry, target);
  }

  /** Directories that the walk has left get their attributes. */
  #finish(open: OpenDirectory[], nextPath: string | undefined): void {
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      if (nextPath !== undefined && isBelow(nextPath, last.guestPath)) return;
      open.pop();
      this.#options.writer.finishDirectory(last.target, last.stats);
    }
  }

  #earlierLink({ mount, stats }: TreeEntry): HostPath | undefined {
    if (!this.#options.hardLinks || stats.linkCount < 2) return undefined;
    return this.#links.get(mount)?.get(stats.inode);
  }

  #remember({ mount, stats }: TreeEntry, target: HostPath): void {
    if (!this.#options.hardLinks || stats.linkCount < 2) return;
    const known = this.#links.get(mount) ?? new Map<number, HostPath>();
    this.#links.set(mount, known.set(stats.inode, target));
  }

  #countFile(sizeBytes: number): void {
    const { counts, onBytes } = this.#options;
    counts.files += 1;
    counts.bytes += sizeBytes;
    onBytes(sizeBytes);
  }
}

function placeIn(parent: OpenDirectory, { path }: TreeEntry): HostPath {
  const prefixLength = parent.guestPath === '/' ? 1 : parent.guestPath.length + 1;
  return childPath(parent.target, path.slice(prefixLength));
}

function isBelow(path: string, directory: string): boolean {
  return directory === '/' ? path !== '/' : path.startsWith(`${directory}/`);
}
