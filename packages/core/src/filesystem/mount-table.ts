/** One tree out of several volumes: the root's, and those mounted on its directories. */
import type { Volume } from './volume.ts';

export interface Mount {
  /** Absolute path in the merged tree; `/` for the root. */
  readonly path: string;
  readonly volume: Volume;
}

/** An inode of one of the mounted volumes. */
export interface Place {
  readonly mount: Mount;
  readonly inode: number;
}

export class MountTable {
  readonly mounts: Mount[];
  /** What stands on a directory, by the mount it belongs to and its inode. */
  readonly #covered = new Map<Mount, Map<number, Mount>>();

  constructor(root: Volume) {
    this.mounts = [{ path: '/', volume: root }];
  }

  get root(): Place {
    return this.#entered({ mount: this.mounts[0]!, inode: this.mounts[0]!.volume.rootInode });
  }

  add(on: Place, mount: Mount): void {
    this.mounts.push(mount);
    const covered = this.#covered.get(on.mount) ?? new Map<number, Mount>();
    covered.set(on.inode, mount);
    this.#covered.set(on.mount, covered);
  }

  /** The inode of a volume, or the root of what is mounted on it. */
  place(mount: Mount, inode: number): Place {
    return this.#entered({ mount, inode });
  }

  #entered(place: Place): Place {
    let entered = place;
    for (;;) {
      const mount = this.#covered.get(entered.mount)?.get(entered.inode);
      if (mount === undefined) return entered;
      entered = { mount, inode: mount.volume.rootInode };
    }
  }
}
