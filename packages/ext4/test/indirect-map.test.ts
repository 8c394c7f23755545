import { writeU32le } from '@diskfile/bytes';
import { runSync } from '@diskfile/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockRun, findRun } from '../src/blocks/block-map.ts';
import { IndirectMap } from '../src/blocks/indirect-map.ts';
import { BLOCK_BYTES, blockOf, blockReader, fileInode } from './support/builders.ts';

const PER_BLOCK = BLOCK_BYTES / 4;
const LIMIT = 12 + PER_BLOCK + PER_BLOCK ** 2 + PER_BLOCK ** 3;
const BLOCKS = 3000;
const DATA_FROM = 2000;

/** A map with pointers of its own tables from block 2 on. */
class Builder {
  readonly blocks = new Uint8Array(BLOCKS * BLOCK_BYTES);
  readonly field = new Uint8Array(60);
  #free = 2;

  set(fileBlock: number, physical: number): void {
    if (fileBlock < 12) return writeU32le(this.field, fileBlock * 4, physical);
    let within = fileBlock - 12;
    let level = 1;
    while (within >= PER_BLOCK ** level) within -= PER_BLOCK ** level++;
    let table = this.#table(this.field, 11 + level);
    for (let below = level - 1; below > 0; below--) {
      table = this.#table(table, Math.floor(within / PER_BLOCK ** below));
      within %= PER_BLOCK ** below;
    }
    writeU32le(table, within * 4, physical);
  }

  #table(pointers: Uint8Array, index: number): Uint8Array {
    const view = new DataView(pointers.buffer, pointers.byteOffset);
    if (view.getUint32(index * 4, true) === 0) view.setUint32(index * 4, this.#free++, true);
    return blockOf(this.blocks, view.getUint32(index * 4, true));
  }

  open(): IndirectMap {
    return new IndirectMap(fileInode(this.field, 0), 2, blockReader(this.blocks));
  }
}

/** File blocks near the places where the levels begin, where mistakes would be. */
const fileBlock = fc
  .tuple(
    fc.constantFrom(0, 12, 12 + PER_BLOCK, 12 + PER_BLOCK + PER_BLOCK ** 2, LIMIT - 40),
    fc.integer({ min: -20, max: 39 }),
  )
  .map(([base, delta]) => Math.max(0, base + delta));

describe('indirect block maps', () => {
  it('equal a model at the edges of all levels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fileBlock, fc.integer({ min: 1, max: 6 }), fc.nat({ max: 900 }))),
        fc.array(fc.tuple(fileBlock, fc.integer({ min: 1, max: 400 }))),
        (runs, lookups) => {
          const builder = new Builder();
          const model = new Map<number, number>();
          for (const [start, length, physical] of runs) {
            for (let n = 0; n < length && start + n < LIMIT; n++) {
              builder.set(start + n, DATA_FROM + physical + n);
              model.set(start + n, DATA_FROM + physical + n);
            }
          }
          const map = builder.open();
          const run = new BlockRun();
          for (const [start, wanted] of lookups) {
            const maxBlocks = Math.min(wanted, LIMIT - start);
            runSync(findRun(map, start, maxBlocks, run));
            expect(run.blockCount).toBeGreaterThan(0);
            expect(run.blockCount).toBeLessThanOrEqual(maxBlocks);
            for (let n = 0; n < run.blockCount; n++) {
              const seen = run.kind === 'data' ? run.physicalBlock + n : undefined;
              expect(seen).toBe(model.get(start + n));
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('skips what a missing table would cover in one step', () => {
    const map = new Builder().open();
    const run = new BlockRun();
    expect(map.find(12 + PER_BLOCK + PER_BLOCK ** 2, 2 ** 32, run)).toBe(true);
    expect(run).toMatchObject({ kind: 'hole', blockCount: PER_BLOCK ** 3 });
  });

  it.each([BLOCKS, 1, 2 ** 32 - 1])('refuses a pointer to block %i', (physical) => {
    const builder = new Builder();
    builder.set(3, physical);
    expect(() => builder.open().find(3, 1, new BlockRun())).toThrow(
      expect.objectContaining({ code: 'corrupt', detail: 'ext4.block-pointer' }),
    );
  });

  it('gives the blocks before one that is past the end', () => {
    const builder = new Builder();
    for (let n = 0; n < 6; n++) builder.set(n, BLOCKS - 3 + n);
    const run = new BlockRun();
    builder.open().find(0, 6, run);
    expect(run).toMatchObject({ kind: 'data', physicalBlock: BLOCKS - 3, blockCount: 3 });
  });

  it('refuses a table past the end', () => {
    const builder = new Builder();
    writeU32le(builder.field, 12 * 4, BLOCKS + 5);
    expect(() => runSync(builder.open().load(20))).toThrow(
      expect.objectContaining({ detail: 'ext4.block-pointer' }),
    );
  });
});
