import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { MemoryStorage, runSync } from '@diskfile/core';
import { checkQcow2 } from '../../src/check/check-qcow2.ts';
import { checkContext } from '../support/check-context.ts';
import { createImage, ImageFiles } from '../support/writable-image.ts';

const CLUSTER = 512;
const SNAPSHOT_BYTES = 64;
const MIB = 1024 * 1024;

function checkAsQemu(storage: MemoryStorage, repair?: 'all') {
  return runSync(checkQcow2({ ...checkContext(storage, repair), asQemu: true }));
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
  const image = (count: number) => new MemoryStorage(withManySnapshots(count, 2 ** 12), 'image');

  it('follows tables that are named several times', () => {
    expect(checkAsQemu(image(100)).genuine?.failure).toBeUndefined();
    expect(checkAsQemu(image(100)).genuine?.lines.length).toBeGreaterThan(0);
  });

  it('is given up, for one that looks at each once, where they are named again and again', () => {
    const storage = image(4000);
    const report = checkAsQemu(storage);
    expect(report.genuine).toBeUndefined();
    expect(report).toEqual(runSync(checkQcow2(checkContext(storage))));
    expect(report.findings.length).toBeGreaterThan(0);
  });

  it('leaves the repair to that one then', () => {
    const storage = image(4000);
    const { genuine, corruptionsFixed } = checkAsQemu(storage, 'all');
    expect(genuine).toBeUndefined();
    expect(corruptionsFixed).toBeGreaterThan(0);
    const { corruptions, leaks, checkErrors } = runSync(checkQcow2(checkContext(storage)));
    expect([corruptions, leaks, checkErrors]).toEqual([0, 0, 0]);
  });

  it('does not go through what nothing refers to', () => {
    const report = checkAsQemu(farApart(2 ** 38));
    expect(report.genuine).toBeDefined();
    expect(report.corruptions).toBeGreaterThan(0);
    expect(report.imageEndOffset).toBe(2 ** 37 + CLUSTER);
  });
});
