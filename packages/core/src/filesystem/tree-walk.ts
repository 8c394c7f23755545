/** Walking a guest tree: every directory once, without following links. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import type { Mount, MountTable, Place } from './mount-table.ts';
import type { ResolvedPath } from './path-walk.ts';
import type { DirectoryEntry, FileStats } from './volume.ts';

export interface TreeEntry {
  /** Path in the guest, below the path that was asked for. */
  readonly path: string;
  readonly stats: FileStats;
  /** The volume that holds it; two entries are hard links when volume and inode are equal. */
  readonly mount: Mount;
}

export interface WalkOptions {
  /** False to stay on the volume of the start. Default true. */
  readonly crossMounts?: boolean;
  /** Called for what cannot be read, and the walk goes on; by default it throws. */
  readonly onError?: (error: DiskError, path: string) => void;
}

interface OpenLevel {
  readonly path: string;
  readonly place: Place;
  readonly names: DirectoryEntry[];
  next: number;
}

/** Depth-first walk in the order of names; {@link next} gives one entry at a time. */
export class TreeWalk {
  readonly #table: MountTable;
  readonly #options: WalkOptions;
  readonly #levels: OpenLevel[] = [];
  readonly #visited = new Map<Mount, Set<number>>();
  #start: ResolvedPath | undefined;

  constructor(table: MountTable, start: ResolvedPath, options: WalkOptions) {
    this.#table = table;
    this.#start = start;
    this.#options = options;
  }

  /** The next entry, the start itself first; undefined at the end. */
  *next(): Step<TreeEntry | undefined> {
    if (this.#start !== undefined) {
      const { path, mount, inode } = this.#start;
      this.#start = undefined;
      return yield* this.#visit(path, { mount, inode });
    }
    for (;;) {
      const level = this.#levels.at(-1);
      if (level === undefined) return undefined;
      const entry = level.names[level.next];
      level.next += 1;
      if (entry === undefined) {
        this.#levels.pop();
        continue;
      }
      const path = `${level.path === '/' ? '' : level.path}/${entry.name}`;
      const place = this.#table.place(level.place.mount, entry.inode);
      if (this.#options.crossMounts === false && place.mount !== level.place.mount) continue;
      try {
        return yield* this.#visit(path, place);
      } catch (error) {
        this.#report(error, path);
      }
    }
  }

  *#visit(path: string, place: Place): Step<TreeEntry> {
    const stats = yield* place.mount.volume.stat(place.inode);
    if (stats.type === 'directory') {
      try {
        yield* this.#enter(path, place);
      } catch (error) {
        this.#report(error, path);
      }
    }
    return { path, stats, mount: place.mount };
  }

  *#enter(path: string, place: Place): Step<void> {
    const visited = this.#visited.get(place.mount) ?? new Set<number>();
    this.#visited.set(place.mount, visited);
    if (visited.has(place.inode)) {
      throw new DiskError(
        'corrupt',
        'filesystem.directory-linked-twice',
        'The directory stands in more than one place of the tree',
        { hint: 'The filesystem is damaged; repair it in the guest.' },
      );
    }
    visited.add(place.inode);
    const cursor = yield* place.mount.volume.openDirectory(place.inode);
    const names: DirectoryEntry[] = [];
    for (;;) {
      const entries = yield* cursor.next();
      if (entries === undefined) break;
      for (const entry of entries) names.push(entry);
    }
    names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    this.#levels.push({ path, place, names, next: 0 });
  }

  #report(error: unknown, path: string): void {
    if (!(error instanceof DiskError)) throw error;
    error.addContext({ op: 'walk', guestPath: path, layer: 'filesystem' });
    if (this.#options.onError === undefined) throw error;
    this.#options.onError(error, path);
  }
}
