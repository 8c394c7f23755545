import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { canFindHoles, openFileStorage } from '../src/index.ts';
import { tempDirectory } from './support/temp.ts';

const directory = tempDirectory();
const BLOCK = 64 * 1024;

/** A file with data in the given blocks and holes elsewhere. */
function makeSparse(name: string, blocks: readonly boolean[]): string {
  const path = join(directory, name);
  const fd = fs.openSync(path, 'w');
  fs.ftruncateSync(fd, blocks.length * BLOCK);
  const data = new Uint8Array(BLOCK).fill(1);
  for (const [index, hasData] of blocks.entries()) {
    if (hasData) fs.writeSync(fd, data, 0, BLOCK, index * BLOCK);
  }
  fs.closeSync(fd);
  return path;
}

describe('holes of a host file', () => {
  it('are told from data, from any offset, wherever the host can tell', () => {
    const blocks = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
    const queries = fc.array(fc.nat(12 * BLOCK), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(blocks, queries, (hasData, offsets) => {
        const storage = runSync(openFileStorage(makeSparse('holes.img', hasData)));
        for (const query of offsets) {
          const offset = query % storage.sizeBytes;
          const rest = storage.sizeBytes - offset;
          const { data, lengthBytes } = storage.hostRangeSync!(offset, rest);
          const expected = canFindHoles() ? hasData[Math.floor(offset / BLOCK)]! : true;
          expect(data).toBe(expected);
          expect(lengthBytes).toBe(canFindHoles() ? runLength(hasData, offset) : rest);
        }
        storage.closeSync();
      }),
      { numRuns: 60 },
    );
  });

  it('reach no further than was asked', () => {
    const storage = runSync(openFileStorage(makeSparse('long.img', [true, true, false, false])));
    expect(storage.hostRangeSync!(10, 100).lengthBytes).toBe(100);
    expect(storage.hostRangeSync!(2 * BLOCK, 100).lengthBytes).toBe(100);
    storage.closeSync();
  });

  it('include all that lies past the end', () => {
    const storage = runSync(openFileStorage(makeSparse('short.img', [true])));
    expect(storage.hostRangeSync!(BLOCK, 512)).toEqual({ data: false, lengthBytes: 512 });
    storage.closeSync();
  });

  it('are seen when they are filled later', () => {
    const path = makeSparse('filled.img', [true, false, false]);
    const storage = runSync(openFileStorage(path));
    storage.hostRangeSync!(BLOCK, BLOCK);
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, new Uint8Array(BLOCK).fill(2), 0, BLOCK, BLOCK);
    fs.closeSync(fd);
    expect(storage.hostRangeSync!(BLOCK, BLOCK)).toEqual({ data: true, lengthBytes: BLOCK });
    storage.closeSync();
  });

  /** Bytes from `offset` to where data turns into a hole or the reverse, or to the end. */
  function runLength(hasData: readonly boolean[], offset: number): number {
    const first = Math.floor(offset / BLOCK);
    let end = first + 1;
    while (end < hasData.length && hasData[end] === hasData[first]) end++;
    return end * BLOCK - offset;
  }
});
