/** Walking a guest tree: every directory once, without following links. */
import { DiskError } from '@diskfile/bytes';
import { checkOptions } from '../arguments.ts';
import type { Step } from '../step.ts';
import type { Mount, MountTable, Place } from './mount-table.ts';
import type { ResolvedPath } from './path-walk.ts';
import type { DirectoryCursor, DirectoryEntry, FileStats } from './volume.ts';

/** Names that a walk holds in order to sort them; directories beyond that come unsorted. */
const MAX_SORTED_NAMES = 1_000_000;
/** Every level holds its path, so that depth times length has to stay small. */
const MAX_DEPTH = 2048;
const MAX_PATH_LENGTH = 32_768;
/** Directories that are remembered in order not to walk one twice. */
const MAX_DIRECTORIES = 2 ** 23;

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
  names: readonly DirectoryEntry[];
  next: number;
  /** Has further names, in the order of the disk; undefined when `names` are all, sorted. */
  readonly cursor: DirectoryCursor | undefined;
}

/**
 * Depth-first walk in the order of names; {@link next} gives one entry at a time. Memory is bounded,
 * so a directory too large to sort comes in the order of the disk, and one too deep is an error.
 */
export class TreeWalk {
  readonly #table: MountTable;
  readonly #options: WalkOptions;
  readonly #levels: OpenLevel[] = [];
  readonly #visited = new Map<Mount, Set<number>>();
  #heldNames = 0;
  #start: ResolvedPath | undefined;

  constructor(table: MountTable, start: ResolvedPath, options: WalkOptions) {
    checkOptions('walk', options, { crossMounts: 'flag', onError: 'callback' });
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
        yield* this.#refill(level);
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

  /** More names of a directory that is too large to sort; the end of any other. */
  *#refill(level: OpenLevel): Step<void> {
    this.#heldNames -= level.names.length;
    level.names = [];
    level.next = 0;
    try {
      const entries = yield* level.cursor?.next() ?? noEntries();
      if (entries === undefined) {
        this.#levels.pop();
        return;
      }
      level.names = entries;
      this.#heldNames += entries.length;
    } catch (error) {
      this.#levels.pop();
      this.#report(error, level.path);
    }
  }

  *#enter(path: string, place: Place): Step<void> {
    this.#markVisited(path, place);
    const cursor = yield* place.mount.volume.openDirectory(place.inode);
    const names: DirectoryEntry[] = [];
    let isWhole = false;
    while (this.#heldNames + names.length <= MAX_SORTED_NAMES) {
      const entries = yield* cursor.next();
      isWhole = entries === undefined;
      if (isWhole) break;
      for (const entry of entries!) names.push(entry);
    }
    if (isWhole) names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    this.#heldNames += names.length;
    this.#levels.push({ path, place, names, next: 0, cursor: isWhole ? undefined : cursor });
  }

  #markVisited(path: string, place: Place): void {
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
    if (this.#levels.length >= MAX_DEPTH || path.length > MAX_PATH_LENGTH) {
      throw new DiskError(
        'limit',
        'filesystem.too-deep',
        'The directory lies too deep in the tree to be walked',
        { hint: 'Walk from a directory further down.' },
      );
    }
    if (visited.size >= MAX_DIRECTORIES) {
      throw new DiskError(
        'limit',
        'filesystem.too-many-directories',
        `The tree has more than ${MAX_DIRECTORIES} directories`,
        { hint: 'Walk parts of it.' },
      );
    }
    visited.add(place.inode);
  }

  #report(error: unknown, path: string): void {
    if (!(error instanceof DiskError)) throw error;
    error.addContext({ op: 'walk', guestPath: path, layer: 'filesystem' });
    if (this.#options.onError === undefined) throw error;
    this.#options.onError(error, path);
  }
}

function* noEntries(): Step<undefined> {
  return undefined;
}
