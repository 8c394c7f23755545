/** The block map of an inode that uses extents. */
import { crc32cRaw, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { BlockMap, BlockRun } from './block-map.ts';
import type { BlockReader } from './block-reader.ts';
import { ExtentNode, type NodeBounds } from './extent-node.ts';
import type { Inode } from '../inodes/inode.ts';
import { KeptTables } from './kept-tables.ts';
import type { Superblock } from '../superblock.ts';
import { atOffset } from '../report.ts';
import { MAX_FILE_BLOCKS } from '../structs.ts';

export class ExtentTree implements BlockMap {
  readonly blockLimit = MAX_FILE_BLOCKS;
  readonly #inode: Inode;
  readonly #superblock: Superblock;
  readonly #reader: BlockReader;
  readonly #root: ExtentNode;
  readonly #nodes = new KeptTables<ExtentNode>();
  /** The leaf of the last answer; reading goes on in it most of the time. */
  #leaf: ExtentNode;

  constructor(inode: Inode, superblock: Superblock, reader: BlockReader) {
    this.#inode = inode;
    this.#superblock = superblock;
    this.#reader = reader;
    const range = { firstFileBlock: 0, endFileBlock: MAX_FILE_BLOCKS };
    const bounds = this.#bounds('the inode', undefined, range);
    this.#root = new ExtentNode(inode.blockField, bounds, reader.report);
    this.#leaf = this.#root;
  }

  find(fileBlock: number, maxBlocks: number, run: BlockRun): boolean {
    const last = this.#leaf;
    if (last.depth === 0 && last.covers(fileBlock)) {
      findInLeaf(last, fileBlock, maxBlocks, run);
      return true;
    }
    let node = this.#root;
    while (node.depth > 0) {
      const index = node.indexOf(fileBlock);
      if (index < 0) {
        run.setHole(Math.min(maxBlocks, node.fileBlockAt(0) - fileBlock));
        return true;
      }
      const child = this.#keptChild(node, index);
      if (child === undefined) return false;
      node = child;
    }
    this.#leaf = node;
    findInLeaf(node, fileBlock, maxBlocks, run);
    return true;
  }

  *load(fileBlock: number): Step<void> {
    const path: { block: number; node: ExtentNode }[] = [];
    let node = this.#root;
    while (node.depth > 0) {
      const index = node.indexOf(fileBlock);
      if (index < 0) break;
      const block = node.childAt(index);
      const child = this.#keptChild(node, index) ?? (yield* this.#readChild(node, index));
      path.push({ block, node: child });
      node = child;
    }
    // All at once, because other readers of this file may have pushed some out meanwhile.
    for (const { block, node: kept } of path) this.#nodes.set(block, kept);
  }

  /** A child that is in memory. One that was kept for another place of the tree does not count. */
  #keptChild(parent: ExtentNode, index: number): ExtentNode | undefined {
    const child = this.#nodes.get(parent.childAt(index));
    const fits =
      child?.depth === parent.depth - 1 &&
      child.firstFileBlock === parent.fileBlockAt(index) &&
      child.endFileBlock === parent.fileBlockAt(index + 1);
    return fits ? child : undefined;
  }

  *#readChild(parent: ExtentNode, index: number): Step<ExtentNode> {
    const block = parent.childAt(index);
    const bytes = yield* this.#reader.read(block);
    const bounds = this.#bounds(`block ${block}`, parent.depth - 1, {
      firstFileBlock: parent.fileBlockAt(index),
      endFileBlock: parent.fileBlockAt(index + 1),
    });
    return atOffset(block * this.#reader.blockBytes, () => {
      const node = new ExtentNode(bytes, bounds, this.#reader.report);
      this.#verifyChecksum(bytes, block);
      return node;
    });
  }

  #verifyChecksum(bytes: Uint8Array, block: number): void {
    if (this.#superblock.checksumKind !== 'crc32c') return;
    const at = ExtentNode.checksumOffset(bytes);
    const sum = crc32cRaw(bytes.subarray(0, at), this.#inode.checksumSeed);
    if (at + 4 <= bytes.length && readU32le(bytes, at) === sum) return;
    this.#reader.report.damage(
      'extent-checksum',
      `The checksum of block ${block} in the extent tree of inode ${this.#inode.number} does not fit`,
    );
  }

  #bounds(
    place: string,
    depth: number | undefined,
    range: { readonly firstFileBlock: number; readonly endFileBlock: number },
  ): NodeBounds {
    return {
      inodeNumber: this.#inode.number,
      place,
      depth,
      ...range,
      firstBlock: this.#superblock.firstDataBlock + 1,
      endBlock: this.#reader.blockCount,
    };
  }
}

function findInLeaf(leaf: ExtentNode, fileBlock: number, maxBlocks: number, run: BlockRun): void {
  const index = leaf.indexOf(fileBlock);
  const skip = index < 0 ? 0 : fileBlock - leaf.fileBlockAt(index);
  if (index < 0 || skip >= leaf.lengthAt(index)) {
    run.setHole(Math.min(maxBlocks, leaf.fileBlockAt(index + 1) - fileBlock));
    return;
  }
  const physical = leaf.physicalAt(index) + skip;
  const unwritten = leaf.isUnwrittenAt(index);
  let length = leaf.lengthAt(index) - skip;
  // Extents end at 32,768 blocks; what goes on in the next one is one run.
  for (let next = index + 1; next < leaf.count && length < maxBlocks; next++) {
    const adjoins =
      leaf.fileBlockAt(next) === fileBlock + length &&
      leaf.isUnwrittenAt(next) === unwritten &&
      (unwritten || leaf.physicalAt(next) === physical + length);
    if (!adjoins) break;
    length += leaf.lengthAt(next);
  }
  run.setMapped(unwritten ? 'unwritten' : 'data', physical, Math.min(length, maxBlocks));
}
