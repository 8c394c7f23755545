import { runSync } from '@diskfile/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockRun, findRun } from '../src/blocks/block-map.ts';
import { ExtentTree } from '../src/blocks/extent-tree.ts';
import {
  BLOCK_BYTES,
  blockOf,
  blockReader,
  type ExtentSpec,
  fileInode,
  superblock,
  writeIndex,
  writeLeaf,
} from './support/builders.ts';

const BLOCKS = 4000;
const EXTENTS_FLAG = 0x8_0000;
/** File blocks that the random trees speak of, holes included. */
const FILE_BLOCKS = 600;

/** Random extents in order, with holes, neighbours that adjoin and unwritten ones. */
const someExtents = fc
  .array(
    fc.record({
      hole: fc.nat({ max: 3 }),
      length: fc.integer({ min: 1, max: 9 }),
      adjoins: fc.boolean(),
      unwritten: fc.boolean(),
      physical: fc.integer({ min: 2500, max: BLOCKS - 10 }),
    }),
    { maxLength: 60 },
  )
  .map((parts) => {
    const extents: ExtentSpec[] = [];
    let fileBlock = 0;
    for (const { hole, length, adjoins, unwritten, physical } of parts) {
      fileBlock += hole;
      const last = extents.at(-1);
      const after = last === undefined ? physical : last.physical + last.length;
      const start = adjoins && after + length <= BLOCKS ? after : physical;
      extents.push({ fileBlock, length, physical: start, unwritten });
      fileBlock += length;
    }
    return extents;
  });

/** What each file block is, kept the simplest way. */
function modelOf(extents: readonly ExtentSpec[]): (string | number)[] {
  const model: (string | number)[] = Array.from({ length: FILE_BLOCKS }, () => 'hole');
  for (const { fileBlock, length, physical, unwritten } of extents) {
    for (let n = 0; n < length; n++) model[fileBlock + n] = unwritten ? 'unwritten' : physical + n;
  }
  return model;
}

/** Writes a tree with `perNode` entries in each node and returns the root for `i_block`. */
function writeTree(blocks: Uint8Array, extents: readonly ExtentSpec[], perNode: number) {
  let free = 2;
  let level = chunks(extents, perNode).map((part) => {
    writeLeaf(blockOf(blocks, free), part);
    return { fileBlock: part[0]!.fileBlock, block: free++ };
  });
  let depth = 1;
  while (level.length > 4) {
    level = chunks(level, perNode).map((part) => {
      writeIndex(blockOf(blocks, free), depth, part);
      return { fileBlock: part[0]!.fileBlock, block: free++ };
    });
    depth += 1;
  }
  const root = new Uint8Array(60);
  if (level.length === 0) writeLeaf(root, []);
  else writeIndex(root, depth, level);
  return root;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    items.slice(n * size, (n + 1) * size),
  );
}

function openTree(root: Uint8Array, blocks: Uint8Array): ExtentTree {
  const inode = fileInode(root, FILE_BLOCKS * BLOCK_BYTES, EXTENTS_FLAG);
  return new ExtentTree(inode, superblock(), blockReader(blocks));
}

function expectRun(run: BlockRun, model: readonly (string | number)[], fileBlock: number): void {
  expect(run.blockCount).toBeGreaterThan(0);
  for (let n = 0; n < run.blockCount; n++) {
    const seen = run.kind === 'data' ? run.physicalBlock + n : run.kind;
    expect(seen).toBe(model[fileBlock + n]);
  }
}

describe('extent trees', () => {
  it('equal a model, whatever their shape and the order of look-ups', () => {
    fc.assert(
      fc.property(
        someExtents,
        fc.integer({ min: 2, max: 20 }),
        fc.array(fc.tuple(fc.nat({ max: FILE_BLOCKS - 1 }), fc.integer({ min: 1, max: 80 }))),
        (extents, perNode, lookups) => {
          const blocks = new Uint8Array(BLOCKS * BLOCK_BYTES);
          const tree = openTree(writeTree(blocks, extents, perNode), blocks);
          const model = modelOf(extents);
          const run = new BlockRun();
          for (const [fileBlock, wanted] of lookups) {
            const maxBlocks = Math.min(wanted, FILE_BLOCKS - fileBlock);
            runSync(findRun(tree, fileBlock, maxBlocks, run));
            expect(run.blockCount).toBeLessThanOrEqual(maxBlocks);
            expectRun(run, model, fileBlock);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('merge extents that go on in the next one', () => {
    const root = new Uint8Array(60);
    writeLeaf(root, [
      { fileBlock: 0, length: 100, physical: 200 },
      { fileBlock: 100, length: 50, physical: 300 },
      { fileBlock: 150, length: 5, physical: 350, unwritten: true },
    ]);
    const run = new BlockRun();
    const tree = openTree(root, new Uint8Array(BLOCKS * BLOCK_BYTES));
    expect(tree.find(10, 1000, run)).toBe(true);
    expect(run).toMatchObject({ kind: 'data', physicalBlock: 210, blockCount: 140 });
    tree.find(152, 1000, run);
    expect(run).toMatchObject({ kind: 'unwritten', blockCount: 3 });
    tree.find(155, 1000, run);
    expect(run).toMatchObject({ kind: 'hole', blockCount: 1000 });
  });

  const leafFaults: [string, ExtentSpec[]][] = [
    ['an empty extent', [{ fileBlock: 0, length: 0, physical: 5 }]],
    [
      'extents out of order',
      [
        { fileBlock: 9, length: 2, physical: 5 },
        { fileBlock: 3, length: 2, physical: 8 },
      ],
    ],
    [
      'extents that overlap',
      [
        { fileBlock: 0, length: 4, physical: 5 },
        { fileBlock: 3, length: 2, physical: 20 },
      ],
    ],
    ['a block past the end', [{ fileBlock: 0, length: 2, physical: BLOCKS - 1 }]],
    ['the block of the superblock', [{ fileBlock: 0, length: 2, physical: 1 }]],
    ['a file block past 2^32', [{ fileBlock: 2 ** 32 - 1, length: 2, physical: 10 }]],
  ];

  it.each(leafFaults)('refuse %s', (_, extents) => {
    const root = new Uint8Array(60);
    writeLeaf(root, extents);
    const blocks = new Uint8Array(BLOCKS * BLOCK_BYTES);
    expect(() => openTree(root, blocks)).toThrow(
      expect.objectContaining({ code: 'corrupt', detail: 'ext4.extent-node' }),
    );
  });

  it('refuse a node that is its own child', () => {
    const blocks = new Uint8Array(BLOCKS * BLOCK_BYTES);
    const root = new Uint8Array(60);
    writeIndex(root, 2, [{ fileBlock: 0, block: 5 }]);
    writeIndex(blockOf(blocks, 5), 2, [{ fileBlock: 0, block: 5 }]);
    const tree = openTree(root, blocks);
    expect(() => runSync(tree.load(0))).toThrow(
      expect.objectContaining({ detail: 'ext4.extent-node' }),
    );
  });

  it('refuse a child with entries before its place', () => {
    const blocks = new Uint8Array(BLOCKS * BLOCK_BYTES);
    const root = new Uint8Array(60);
    writeIndex(root, 1, [{ fileBlock: 100, block: 5 }]);
    writeLeaf(blockOf(blocks, 5), [{ fileBlock: 50, length: 1, physical: 30 }]);
    const tree = openTree(root, blocks);
    expect(() => runSync(tree.load(120))).toThrow(
      expect.objectContaining({ detail: 'ext4.extent-node' }),
    );
  });
});
