/** One node of an extent tree, checked once and then searched in place ("Extent Tree"). */
import { readU16le, readU32le } from '@diskfile/bytes';
import type { Report } from '../report.ts';
import {
  EXTENT_ENTRY_BYTES,
  EXTENT_HEADER_BYTES,
  EXTENT_INIT_MAX_BLOCKS,
  EXTENT_MAGIC,
  EXTENT_MAX_DEPTH,
} from '../structs.ts';

/** What a node must fit into: where it stands in the tree and how large the filesystem is. */
export interface NodeBounds {
  readonly inodeNumber: number;
  /** For error messages: `the inode`, `block 17`. */
  readonly place: string;
  /** Undefined for the root, which says itself. */
  readonly depth: number | undefined;
  /** The file blocks that the parent gives to this node. */
  readonly firstFileBlock: number;
  readonly endFileBlock: number;
  /** The filesystem's data blocks. */
  readonly firstBlock: number;
  readonly endBlock: number;
}

export class ExtentNode {
  readonly depth: number;
  readonly count: number;
  readonly firstFileBlock: number;
  readonly endFileBlock: number;
  readonly #bytes: Uint8Array;

  /** @throws DiskError `corrupt` when anything about the node does not fit */
  constructor(bytes: Uint8Array, bounds: NodeBounds, report: Report) {
    const fault = (what: string) =>
      report.corrupt(
        'extent-node',
        `Extent tree of inode ${bounds.inodeNumber}: ${what} in ${bounds.place}`,
      );
    if (readU16le(bytes, 0) !== EXTENT_MAGIC) throw fault('there is no extent header');
    this.count = readU16le(bytes, 2);
    const capacity = readU16le(bytes, 4);
    this.depth = readU16le(bytes, 6);
    const room = Math.floor((bytes.length - EXTENT_HEADER_BYTES) / EXTENT_ENTRY_BYTES);
    if (capacity === 0 || capacity > room || this.count > capacity) {
      throw fault(`${this.count} entries of at most ${capacity} cannot be`);
    }
    if (this.depth > EXTENT_MAX_DEPTH || this.depth !== (bounds.depth ?? this.depth)) {
      throw fault(`a depth of ${this.depth} cannot be`);
    }
    this.firstFileBlock = bounds.firstFileBlock;
    this.endFileBlock = bounds.endFileBlock;
    this.#bytes = bytes;
    const problem = this.depth === 0 ? this.#checkLeaf(bounds) : this.#checkIndex(bounds);
    if (problem !== undefined) throw fault(problem);
  }

  /** Where the checksum stands in a node that has a block of its own. */
  static checksumOffset(bytes: Uint8Array): number {
    return EXTENT_HEADER_BYTES + readU16le(bytes, 4) * EXTENT_ENTRY_BYTES;
  }

  covers(fileBlock: number): boolean {
    return fileBlock >= this.firstFileBlock && fileBlock < this.endFileBlock;
  }

  /** Index of the last entry that begins at or before `fileBlock`; −1 when all begin later. */
  indexOf(fileBlock: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.fileBlockAt(middle) <= fileBlock) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** First file block of an entry (`ee_block`, `ei_block`); past the last one, the node's end. */
  fileBlockAt(index: number): number {
    if (index >= this.count) return this.endFileBlock;
    return readU32le(this.#bytes, EXTENT_HEADER_BYTES + index * EXTENT_ENTRY_BYTES);
  }

  /** Block of the child node that an index entry points to. */
  childAt(index: number): number {
    const at = EXTENT_HEADER_BYTES + index * EXTENT_ENTRY_BYTES;
    return readU16le(this.#bytes, at + 8) * 2 ** 32 + readU32le(this.#bytes, at + 4);
  }

  /** First filesystem block of an extent. */
  physicalAt(index: number): number {
    const at = EXTENT_HEADER_BYTES + index * EXTENT_ENTRY_BYTES;
    return readU16le(this.#bytes, at + 6) * 2 ** 32 + readU32le(this.#bytes, at + 8);
  }

  lengthAt(index: number): number {
    const length = this.#rawLengthAt(index);
    return length > EXTENT_INIT_MAX_BLOCKS ? length - EXTENT_INIT_MAX_BLOCKS : length;
  }

  isUnwrittenAt(index: number): boolean {
    return this.#rawLengthAt(index) > EXTENT_INIT_MAX_BLOCKS;
  }

  #rawLengthAt(index: number): number {
    return readU16le(this.#bytes, EXTENT_HEADER_BYTES + index * EXTENT_ENTRY_BYTES + 4);
  }

  #checkLeaf({ firstBlock, endBlock }: NodeBounds): string | undefined {
    let free = this.firstFileBlock;
    for (let index = 0; index < this.count; index++) {
      const fileBlock = this.fileBlockAt(index);
      const length = this.lengthAt(index);
      const physical = this.physicalAt(index);
      if (length === 0) return `extent ${index} is empty`;
      if (fileBlock < free) return `extent ${index} is out of order`;
      free = fileBlock + length;
      if (free > this.endFileBlock) return `extent ${index} leaves its node's range`;
      if (physical < firstBlock || physical + length > endBlock) {
        return `extent ${index} at block ${physical} leaves the filesystem of ${endBlock} blocks`;
      }
    }
    return undefined;
  }

  #checkIndex({ firstBlock, endBlock }: NodeBounds): string | undefined {
    if (this.count === 0) return 'an index node has no entries';
    let free = this.firstFileBlock;
    for (let index = 0; index < this.count; index++) {
      const fileBlock = this.fileBlockAt(index);
      const child = this.childAt(index);
      if (fileBlock < free || fileBlock >= this.endFileBlock) {
        return `index entry ${index} is out of order`;
      }
      free = fileBlock + 1;
      if (child < firstBlock || child >= endBlock) {
        return `index entry ${index} points at block ${child} of ${endBlock}`;
      }
    }
    return undefined;
  }
}
