import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { MemoryStorage, runSync } from '@diskfile/core';
import { genuineCheck } from '../src/check/genuine/genuine-check.ts';
import { WorkBudget } from '../src/check/genuine/work-budget.ts';
import { checkContext } from './support/check-context.ts';
import { createImage, ImageFiles } from './support/writable-image.ts';

const CLUSTER = 512;
const SNAPSHOT_BYTES = 64;
const MIB = 1024 * 1024;

function checkAsQemu(storage: MemoryStorage, budget?: WorkBudget, repair?: 'all') {
  return runSync(genuineCheck(checkContext(storage, repair), budget));
}

/** An image whose snapshots all name the same L1 table of empty entries. */
function withManySnapshots(count: number, l1Entries: number): Uint8Array {
  const head = createImage(new ImageFiles(), MIB, { cluster_size: CLUSTER }).imageBytes;
  const l1Offset = MIB;
  const tableOffset = l1Offset + l1Entries * 8;
  const image = new Uint8Array(tableOffset + count * SNAPSHOT_BYTES);
  image.set(head);
  writeU32be(image, 60, count);
  writeU64be(image, 64, tableOffset);
  for (let index = 0; index < count; index++) {
    const entry = image.subarray(tableOffset + index * SNAPSHOT_BYTES);
    writeU64be(entry, 0, l1Offset);
    writeU32be(entry, 8, l1Entries);
    // An id and a name of one byte each, and 16 bytes of extra data in front of them.
    entry.set([0, 1, 0, 1], 12);
    writeU32be(entry, 36, 16);
    writeU64be(entry, 48, MIB);
    entry.set([0x31, 0x73], 56);
  }
  return image;
}

/** An image in a file with very much of nothing behind it, whose refcounts lie far away. */
function farApart(sizeBytes: number): MemoryStorage {
  const { imageBytes } = createImage(new ImageFiles(), MIB, { cluster_size: CLUSTER });
  const view = new DataView(imageBytes.buffer);
  const tableOffset = Number(view.getBigUint64(48));
  writeU64be(imageBytes, tableOffset + 8, sizeBytes / 2);
  writeU64be(imageBytes, Number(view.getBigUint64(40)), sizeBytes / 4);
  const storage = new MemoryStorage(imageBytes, 'image');
  Object.defineProperty(storage, 'sizeBytes', { get: () => sizeBytes });
  return storage;
}

describe('a check as QEMU does it', () => {
  it('gives up on tables that are named again and again', () => {
    const image = () => new MemoryStorage(withManySnapshots(2000, 2 ** 12), 'image');
    const small = () => new WorkBudget(2 ** 22);
    const limit = expect.objectContaining({ code: 'limit', detail: 'qcow2.check.work' });
    expect(() => checkAsQemu(image(), small())).toThrow(limit);
    expect(() => checkAsQemu(image(), small(), 'all')).toThrow(limit);
    expect(checkAsQemu(image()).failure).toBeUndefined();
  });

  it('does not go through what nothing refers to', () => {
    const report = checkAsQemu(farApart(2 ** 38), new WorkBudget(2 ** 22));
    expect(report.transcript.corruptions).toBeGreaterThan(0);
    expect(report.imageEndOffset).toBe(2 ** 37 + CLUSTER);
  });
});
