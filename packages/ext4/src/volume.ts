/** A mounted filesystem: inodes, directories, links, files and attributes. */
import type {
  DirectoryCursor,
  DiskWarning,
  ExtentMap,
  FileStats,
  Step,
  Volume,
  VolumeUsage,
} from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { describeVolume } from './details.ts';
import { openCursor } from './directories/directory.ts';
import { FileMap, MemoryMap } from './blocks/file-map.ts';
import { hasFlag, INODE_FLAG } from './inodes/inode-flags.ts';
import { inlineContent } from './inodes/inline-data.ts';
import { statsOf } from './inodes/inode-stats.ts';
import type { Inode } from './inodes/inode.ts';
import type { ReplaySummary } from './journal/recovery.ts';
import { NameIndex } from './directories/name-index.ts';
import { ROOT_INODE } from './structs.ts';
import { readTarget } from './inodes/symlink.ts';
import { openBlockMap, type VolumeParts } from './volume-parts.ts';
import { readAttributes } from './attributes/xattr.ts';

export class Ext4Volume implements Volume {
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly rootInode = ROOT_INODE;
  readonly #parts: VolumeParts;
  readonly #usage: VolumeUsage;
  readonly #replayed: ReplaySummary | undefined;
  readonly #names: NameIndex;

  constructor(parts: VolumeParts, usage: VolumeUsage, replayed: ReplaySummary | undefined) {
    const { superblock } = parts;
    this.type = superblock.features.type;
    this.label = superblock.label;
    this.uuid = superblock.uuid;
    this.sizeBytes = superblock.blockCount * superblock.blockBytes;
    this.#parts = parts;
    this.#usage = usage;
    this.#replayed = replayed;
    this.#names = new NameIndex(parts);
  }

  get warnings(): readonly DiskWarning[] {
    return this.#parts.report.warnings;
  }

  usage(): VolumeUsage {
    return this.#usage;
  }

  details(): Readonly<Record<string, unknown>> {
    return describeVolume(this.#parts.superblock, this.#replayed);
  }

  *stat(number: number): Step<FileStats> {
    return statsOf(yield* this.#parts.inodes.read(number), this.#parts.superblock);
  }

  *openDirectory(number: number): Step<DirectoryCursor> {
    return openCursor(yield* this.#readable(number, 'directory'), this.#parts);
  }

  *lookup(directoryInode: number, name: string): Step<number | undefined> {
    const directory = yield* this.#readable(directoryInode, 'directory');
    return yield* this.#names.find(directory, name);
  }

  *readlink(number: number): Step<string> {
    return yield* readTarget(yield* this.#readable(number, 'symlink'), this.#parts);
  }

  *openFile(number: number): Step<ExtentMap> {
    const inode = yield* this.#readable(number, 'file');
    if (hasFlag(inode.flags, INODE_FLAG.INLINE_DATA)) {
      const held = inlineContent(inode, this.#parts);
      return new MemoryMap(held, inode.sizeBytes, `inode ${number}`);
    }
    return new FileMap(openBlockMap(inode, this.#parts), inode.sizeBytes, this.#parts.reader);
  }

  *xattrs(number: number): Step<ReadonlyMap<string, Uint8Array>> {
    return yield* readAttributes(yield* this.#parts.inodes.read(number), this.#parts);
  }

  /** An inode of the type that an operation is for, not encrypted. */
  *#readable(number: number, type: 'file' | 'directory' | 'symlink'): Step<Inode> {
    const inode = yield* this.#parts.inodes.read(number);
    if (inode.type !== type) throw wrongType(inode, type);
    if (!hasFlag(inode.flags, INODE_FLAG.ENCRYPT)) return inode;
    throw this.#parts.report.unsupported(
      'encrypted',
      `The ${type} is encrypted by the guest (fscrypt); its ${WHAT_IS_HIDDEN[type]} cannot be read`,
      { hint: 'Copy it while it is unlocked in the guest.' },
    );
  }
}

const WHAT_IS_HIDDEN = { file: 'content', directory: 'names', symlink: 'target' } as const;

const WRONG_TYPE = {
  file: { detail: 'filesystem.not-a-file', what: 'a regular file' },
  directory: { detail: 'filesystem.not-a-directory', what: 'a directory' },
  symlink: { detail: 'filesystem.not-a-link', what: 'a symbolic link' },
} as const;

function wrongType(inode: Inode, wanted: keyof typeof WRONG_TYPE): DiskError {
  const { detail, what } = WRONG_TYPE[wanted];
  return new DiskError('invalid-argument', detail, `Inode ${inode.number} is not ${what}`, {
    format: 'ext4',
    layer: 'filesystem',
  });
}
