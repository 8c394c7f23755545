/** Finding one name in a large hashed directory without reading all of it. */
import { clearBits, encodeName, maskBits, readU16le, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { type BlockMap, BlockRun, findRun } from '../blocks/block-map.ts';
import { findDirectoryEntry, verifyDirectoryBlock } from './directory-block.ts';
import type { Inode } from '../inodes/inode.ts';
import { hashName } from './name-hash.ts';
import { atOffset } from '../report.ts';
import { openBlockMap, type VolumeParts } from '../volume-parts.ts';

const INDEX_ENTRY_BYTES = 8;
/** `dx_root_info` in the first block. */
const HASH_VERSION_AT = 0x1c;
const INFO_LENGTH_AT = 0x1d;
const LEVELS_AT = 0x1e;
const INFO_BYTES = 8;
/** Where index entries begin; the place of the first hash holds the limit and the count. */
const ROOT_ENTRIES_AT = 0x20;
const NODE_ENTRIES_AT = 8;
/** Levels of index blocks below the root, with `large_dir`. */
const MAX_LEVELS = 2;

/** `s_flags`: how the system that made the filesystem looks at bytes above 127. */
const FLAG_SIGNED_HASH = 0x1;
const FLAG_UNSIGNED_HASH = 0x2;

/** An index block and the entry of it that is being followed. */
interface Frame {
  readonly bytes: Uint8Array;
  readonly entriesAt: number;
  readonly count: number;
  index: number;
}

/** What a search came to; `unknown` when the tree cannot be followed and all must be read. */
export type Found = { readonly inode: number | undefined } | 'unknown';

/** Looks a name up by its hash in a directory that has an index. */
export function* findByHash(directory: Inode, name: string, parts: VolumeParts): Step<Found> {
  return yield* new TreeSearch(directory, parts).find(encodeName(name));
}

class TreeSearch {
  readonly #directory: Inode;
  readonly #parts: VolumeParts;
  readonly #map: BlockMap;
  readonly #run = new BlockRun();

  constructor(directory: Inode, parts: VolumeParts) {
    this.#directory = directory;
    this.#parts = parts;
    this.#map = openBlockMap(directory, parts);
  }

  *find(name: Uint8Array): Step<Found> {
    const root = (yield* this.#readBlock(0))?.bytes;
    const hash = root === undefined ? undefined : this.#hashFor(root, name);
    if (root === undefined || hash === undefined) return 'unknown';
    const levels = root[LEVELS_AT]!;
    let frame = frameOf(root, ROOT_ENTRIES_AT);
    for (let level = 0; level <= levels; level++) {
      if (level > 0) frame = yield* this.#child(frame!);
      if (frame === undefined) return 'unknown';
      frame.index = indexFor(frame, hash);
    }
    return yield* this.#searchLeaves(frame!, levels, hash, name);
  }

  #hashFor(root: Uint8Array, name: Uint8Array): number | undefined {
    const { fields } = this.#parts.superblock;
    const known = maskBits(fields.s_flags, FLAG_SIGNED_HASH + FLAG_UNSIGNED_HASH);
    if (known === 0 || root[INFO_LENGTH_AT] !== INFO_BYTES || root[LEVELS_AT]! > MAX_LEVELS) {
      return undefined;
    }
    return hashName(name, {
      version: root[HASH_VERSION_AT]!,
      unsignedBytes: known !== FLAG_SIGNED_HASH,
      seed: fields.s_hash_seed,
    });
  }

  /** The leaf by the hash, and those after it as long as they go on with the same one. */
  *#searchLeaves(last: Frame, levels: number, hash: number, name: Uint8Array): Step<Found> {
    for (;;) {
      const fileBlock = blockAt(last, last.index);
      const leaf = yield* this.#readBlock(fileBlock);
      if (leaf === undefined) return 'unknown';
      const inode = atOffset(leaf.offset, () =>
        findDirectoryEntry(leaf.bytes, `file block ${fileBlock}`, this.#context(), name),
      );
      if (inode !== undefined) return { inode };
      last.index += 1;
      if (last.index === last.count) {
        // The next hash would be in another index block. Reading everything is simpler than
        // climbing there, and hardly ever needed.
        return levels === 0 ? { inode: undefined } : 'unknown';
      }
      if (clearBits(hashAt(last, last.index), 1) !== hash) return { inode: undefined };
    }
  }

  *#child(frame: Frame): Step<Frame | undefined> {
    const node = yield* this.#readBlock(blockAt(frame, frame.index));
    return node === undefined ? undefined : frameOf(node.bytes, NODE_ENTRIES_AT);
  }

  *#readBlock(fileBlock: number): Step<{ bytes: Uint8Array; offset: number } | undefined> {
    const { reader } = this.#parts;
    if (fileBlock >= this.#directory.sizeBytes / reader.blockBytes) return undefined;
    yield* findRun(this.#map, fileBlock, 1, this.#run);
    if (this.#run.kind !== 'data') return undefined;
    const block = this.#run.physicalBlock;
    const offset = block * reader.blockBytes;
    const cached = reader.cached(block);
    if (cached !== undefined) return { bytes: cached, offset };
    const bytes = yield* reader.read(block);
    atOffset(offset, () => verifyDirectoryBlock(bytes, block, this.#context()));
    return { bytes, offset };
  }

  #context() {
    const { superblock, report } = this.#parts;
    return { inode: this.#directory, superblock, report };
  }
}

function frameOf(bytes: Uint8Array, entriesAt: number): Frame | undefined {
  const limit = readU16le(bytes, entriesAt);
  const count = readU16le(bytes, entriesAt + 2);
  const fits = entriesAt + limit * INDEX_ENTRY_BYTES <= bytes.length;
  return count === 0 || count > limit || !fits ? undefined : { bytes, entriesAt, count, index: 0 };
}

/** The last entry whose hash is not above the wanted one; the first has none and counts as 0. */
function indexFor(frame: Frame, hash: number): number {
  let low = 1;
  let high = frame.count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (hashAt(frame, middle) <= hash) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function hashAt({ bytes, entriesAt }: Frame, index: number): number {
  return readU32le(bytes, entriesAt + index * INDEX_ENTRY_BYTES);
}

/** Block of the directory's file that an entry points to; the upper bits are reserved. */
function blockAt({ bytes, entriesAt }: Frame, index: number): number {
  return maskBits(readU32le(bytes, entriesAt + index * INDEX_ENTRY_BYTES + 4), 0x0fff_ffff);
}
