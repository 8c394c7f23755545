/** What fast commits did to the names of one directory. */

interface Change {
  readonly kind: 'link' | 'unlink';
  readonly inode: number;
}

export class NameChanges {
  readonly #changes = new Map<string, Change[]>();

  add(name: string, kind: 'link' | 'unlink', inode: number): void {
    const changes = this.#changes.get(name);
    if (changes === undefined) this.#changes.set(name, [{ kind, inode }]);
    else changes.push({ kind, inode });
  }

  /** Every name that was linked or unlinked. */
  names(): Iterable<string> {
    return this.#changes.keys();
  }

  /**
   * The inode of a name after the changes.
   * @param inode the name's inode on disk, undefined when it is not there
   */
  apply(name: string, inode: number | undefined): number | undefined {
    let now = inode;
    for (const change of this.#changes.get(name) ?? []) {
      // Commits store outcomes, and may repeat what the disk has: a name that is there stays, one
      // that meanwhile stands for another inode is not removed.
      if (change.kind === 'link') now ??= change.inode;
      else if (now === change.inode) now = undefined;
    }
    return now;
  }
}
