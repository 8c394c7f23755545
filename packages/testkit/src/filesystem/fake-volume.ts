/** A filesystem out of plain objects, for tests of what stands on top of `Volume`. */
import { DiskError } from '@diskfile/bytes';
import {
  type DirectoryCursor,
  type DirectoryEntry,
  type ExtentMap,
  type FileStats,
  type FileType,
  MemoryStorage,
  type Step,
  type Volume,
} from '@diskfile/core';

/** A directory, a link (`{ link: target }`), or a file. `inode` makes hard links and loops. */
export type FakeNode =
  | { readonly [name: string]: FakeNode }
  | string
  | FakeLink
  | { readonly same: number };

export class FakeLink {
  readonly target: string;
  constructor(target: string) {
    this.target = target;
  }
}

interface Inode {
  readonly type: FileType;
  readonly entries: Map<string, number>;
  readonly text: string;
}

export class FakeVolume implements Volume {
  readonly type = 'fake';
  readonly label: string;
  readonly uuid = '';
  readonly sizeBytes = 0;
  readonly rootInode = 0;
  readonly warnings = [];
  readonly #inodes: Inode[] = [];

  constructor(tree: FakeNode, label = '') {
    this.label = label;
    this.#add(tree);
  }

  #add(node: FakeNode): number {
    if (typeof node === 'object' && 'same' in node && typeof node.same === 'number')
      return node.same;
    const entries = new Map<string, number>();
    const isLink = node instanceof FakeLink;
    const type = typeof node === 'string' ? 'file' : isLink ? 'symlink' : 'directory';
    const text = typeof node === 'string' ? node : isLink ? node.target : '';
    const inode = this.#inodes.push({ type, entries, text }) - 1;
    if (type === 'directory') {
      for (const [name, child] of Object.entries(node as { [name: string]: FakeNode })) {
        entries.set(name, this.#add(child));
      }
    }
    return inode;
  }

  usage() {
    return {
      blockBytes: 512,
      totalBlocks: this.#inodes.length,
      freeBlocks: 0,
      availableBlocks: 0,
      totalInodes: this.#inodes.length,
      freeInodes: 0,
      maxNameBytes: 255,
    };
  }

  *stat(inode: number): Step<FileStats> {
    yield pause;
    const { type, text } = this.#inodes[inode]!;
    const time = { seconds: 0, nanoseconds: 0 };
    return {
      inode,
      type,
      permissions: 0o755,
      uid: 0,
      gid: 0,
      linkCount: 1,
      sizeBytes: text.length,
      allocatedBytes: 0,
      accessTime: time,
      modifyTime: time,
      changeTime: time,
      birthTime: undefined,
      device: undefined,
      projectId: undefined,
      flags: [],
    };
  }

  *openDirectory(inode: number): Step<DirectoryCursor> {
    yield pause;
    const batches = [...this.#directory(inode).entries()].map(([name, child]): DirectoryEntry[] => [
      { name, inode: child, type: this.#inodes[child]!.type },
    ]);
    return {
      *next() {
        yield pause;
        return batches.shift();
      },
    };
  }

  *lookup(inode: number, name: string): Step<number | undefined> {
    yield pause;
    return this.#directory(inode).get(name);
  }

  *readlink(inode: number): Step<string> {
    yield pause;
    return this.#inodes[inode]!.text;
  }

  *openFile(inode: number): Step<ExtentMap> {
    yield pause;
    const storage = new MemoryStorage(new TextEncoder().encode(this.#inodes[inode]!.text));
    return {
      sizeBytes: storage.sizeBytes,
      lookup(guestOffset, lengthBytes, extent) {
        extent.setData(storage, guestOffset, lengthBytes);
        return true;
      },
      *load() {},
    };
  }

  *xattrs() {
    yield pause;
    return new Map([['user.label', new TextEncoder().encode(this.label)]]);
  }

  details() {
    return {};
  }

  #directory(inode: number): Map<string, number> {
    const node = this.#inodes[inode]!;
    if (node.type === 'directory') return node.entries;
    throw new DiskError('invalid-argument', 'filesystem.not-a-directory', 'Not a directory');
  }
}

const pause = { runSync: () => {}, run: () => Promise.resolve() };
