/**
 * Looking names up. A directory that is asked is read once and its names are kept, within bounds.
 * A large one is searched by its hash tree, or from one end to the other where it has none.
 */
import type { Step } from '@diskfile/core';
import { foldName } from './casefold.ts';
import { openCursor } from './directory.ts';
import { findByHash } from './hash-tree.ts';
import { hasFlag, INODE_FLAG } from '../inodes/inode-flags.ts';
import type { Inode } from '../inodes/inode.ts';
import type { VolumeParts } from '../volume-parts.ts';

/** From this many blocks on, following the tree is cheaper than keeping all names. */
const MIN_TREE_BLOCKS = 32;
/** Names that one directory, and all together, may have to be kept. */
const MAX_NAMES_OF_ONE = 50_000;
const MAX_NAMES_OF_ALL = 200_000;

export class NameIndex {
  readonly #parts: VolumeParts;
  readonly #directories = new Map<number, Names>();
  #nameCount = 0;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  /** Inode of a name; in a directory without case, a name that is equal in case goes first. */
  *find(directory: Inode, name: string): Step<number | undefined> {
    const known = this.#directories.get(directory.number);
    if (known !== undefined) return known.find(name);
    if (this.#hasLargeTree(directory)) {
      const found = yield* findByHash(directory, name, this.#parts);
      if (found !== 'unknown') return found.inode;
    }
    const withoutCase = hasFlag(directory.flags, INODE_FLAG.CASEFOLD);
    const wantedKey = withoutCase ? foldName(name) : undefined;
    const cursor = openCursor(directory, this.#parts);
    let names: Names | undefined = new Names(withoutCase);
    let foldedMatch: number | undefined;
    for (;;) {
      const entries = yield* cursor.next();
      if (entries === undefined) break;
      const batch: Names = (names ?? new Names(withoutCase)).add(entries);
      if (names !== undefined && names.count <= MAX_NAMES_OF_ONE) continue;
      // Too many to keep: from here on only the wanted name is looked for, batch by batch.
      const exact = batch.exact.get(name);
      if (exact !== undefined) return exact;
      foldedMatch ??= batch.findFolded(wantedKey);
      names = undefined;
    }
    if (names === undefined) return foldedMatch;
    this.#keep(directory.number, names);
    return names.find(name);
  }

  /** Trees of directories without case are ordered by folded names, which ours may differ from. */
  #hasLargeTree({ number, flags, sizeBytes }: Inode): boolean {
    const { superblock, fastCommits } = this.#parts;
    return (
      hasFlag(flags, INODE_FLAG.INDEX) &&
      !hasFlag(flags, INODE_FLAG.CASEFOLD) &&
      !hasFlag(flags, INODE_FLAG.INLINE_DATA) &&
      sizeBytes >= MIN_TREE_BLOCKS * superblock.blockBytes &&
      fastCommits.namesOf(number) === undefined
    );
  }

  #keep(directoryInode: number, names: Names): void {
    if (this.#nameCount + names.count > MAX_NAMES_OF_ALL) {
      this.#directories.clear();
      this.#nameCount = 0;
    }
    this.#nameCount += names.count - (this.#directories.get(directoryInode)?.count ?? 0);
    this.#directories.set(directoryInode, names);
  }
}

/** Names with their inodes; where a damaged directory has one twice, the first counts. */
class Names {
  readonly exact = new Map<string, number>();
  readonly #folded: Map<string, number> | undefined;

  constructor(withoutCase: boolean) {
    this.#folded = withoutCase ? new Map() : undefined;
  }

  get count(): number {
    return this.exact.size;
  }

  add(entries: readonly { readonly name: string; readonly inode: number }[]): this {
    for (const { name, inode } of entries) {
      if (!this.exact.has(name)) this.exact.set(name, inode);
      const key = this.#folded === undefined ? undefined : foldName(name);
      if (key !== undefined && !this.#folded!.has(key)) this.#folded!.set(key, inode);
    }
    return this;
  }

  find(name: string): number | undefined {
    const exact = this.exact.get(name);
    if (exact !== undefined || this.#folded === undefined) return exact;
    return this.findFolded(foldName(name));
  }

  findFolded(key: string | undefined): number | undefined {
    return key === undefined ? undefined : this.#folded?.get(key);
  }
}
