/** What fast commits did to the names of one directory. */

interface Change {
  readonly kind: 'link' | 'unlink';
  readonly inode: number;
}

export class NameChanges {
  readonly #changes = new Map<string, Change[]>();
  /** Worked out when a name is first asked for. */
  readonly #outcomes = new Map<string, Outcome>();

  add(name: string, kind: 'link' | 'unlink', inode: number): void {
    this.#outcomes.delete(name);
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
    const changes = this.#changes.get(name);
    if (changes === undefined) return inode;
    let outcome = this.#outcomes.get(name);
    if (outcome === undefined) {
      outcome = new Outcome(changes);
      this.#outcomes.set(name, outcome);
    }
    return outcome.of(inode);
  }
}

/**
 * What changes of one name come to. Commits store outcomes, and may repeat what the disk has: a name
 * that is there stays, one that meanwhile stands for another inode is not removed. A damaged
 * directory can hold a name, and a log change it, very many times; so each of the changes is looked
 * at once, from the last to the first.
 */
class Outcome {
  /** The inode at the end for a name that is not there before the change of that index. */
  readonly #fromAbsent: (number | undefined)[];
  /** Index of the first change that unlinks an inode. */
  readonly #firstUnlink = new Map<number, number>();

  constructor(changes: readonly Change[]) {
    this.#fromAbsent = Array.from({ length: changes.length + 1 }, () => undefined);
    for (let index = changes.length - 1; index >= 0; index--) {
      const { kind, inode } = changes[index]!;
      // From here on the map knows of this change and of those behind it.
      if (kind === 'unlink') this.#firstUnlink.set(inode, index);
      this.#fromAbsent[index] = kind === 'link' ? this.of(inode) : this.#fromAbsent[index + 1];
    }
  }

  of(inode: number | undefined): number | undefined {
    if (inode === undefined) return this.#fromAbsent[0];
    const unlinkedAt = this.#firstUnlink.get(inode);
    return unlinkedAt === undefined ? inode : this.#fromAbsent[unlinkedAt + 1];
  }
}
