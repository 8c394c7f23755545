import { describe, expect, it } from 'vitest';
import { writeU64be } from '@diskfile/bytes';
import { MemoryStorage, runSync } from '@diskfile/core';
import { readInactiveTables } from '../../src/snapshots/inactive-tables.ts';
import type { Snapshot } from '../../src/snapshots/snapshots.ts';

const CLUSTER = 512;
const MIB = 1024 * 1024;

/** A file of which no byte is anything but zero, however long it is. */
class EmptyFile extends MemoryStorage {
  readBytes = 0;

  override get sizeBytes(): number {
    return 2 ** 44;
  }

  override readSync(dst: Uint8Array): void {
    this.readBytes += dst.length;
  }
}

function read(storage: MemoryStorage, tables: readonly [number, number][], maxBytes = 64 * MIB) {
  const list = tables.map(([offset, entries]) => ({ l1Table: { offset, entries } }) as Snapshot);
  return runSync(readInactiveTables(storage, CLUSTER, { list, lengthBytes: 0 }, maxBytes));
}

describe('the L2 tables of snapshots', () => {
  it('are found in order, whatever lies upon each other or leaves the file', () => {
    const image = new Uint8Array(20 * CLUSTER + 4);
    for (const [index, cluster] of [9, 0, 5, 20, 21, 5].entries()) {
      writeU64be(image, CLUSTER + index * 8, cluster * CLUSTER);
      image[CLUSTER + index * 8] = 0x80;
    }
    writeU64be(image, 20 * CLUSTER - 8, 7 * CLUSTER);
    const storage = new MemoryStorage(image);
    const tables: [number, number][] = [
      [19 * CLUSTER, 1000],
      [CLUSTER, 4],
      [CLUSTER, 6],
      [CLUSTER + 8, 60],
      [400 * CLUSTER, 3],
    ];
    expect([...read(storage, tables)]).toEqual([5, 5, 7, 9, 20]);
  });

  it('are looked for within bounds, however large their L1 tables are', () => {
    const storage = new EmptyFile();
    const tables = Array.from({ length: 300 }, (_, index): [number, number] => [
      index * 2 ** 35,
      2 ** 32 - 1,
    ]);
    expect(() => read(storage, tables)).toThrow(
      expect.objectContaining({ code: 'limit', detail: 'qcow2.snapshot-tables-size' }),
    );
    expect(storage.readBytes).toBe(0);
    const piled = tables.map((): [number, number] => [CLUSTER, 4 * MIB]);
    expect(read(storage, piled)).toHaveLength(0);
    expect(storage.readBytes).toBe(32 * MIB);
  });
});
