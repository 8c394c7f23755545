import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage, sliceDisk } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { compress, newDisk, placesOf, SOUND } from '../support/compressed-image.ts';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const CLUSTER = 65_536;

/** Fails one write. */
class FailingStorage extends MemoryStorage {
  writes = 0;
  failAt = Infinity;

  override async write(src: Uint8Array, offset: number): Promise<void> {
    this.writes += 1;
    const fails = this.writes === this.failAt;
    await new Promise((resolve) => setImmediate(resolve));
    if (fails) throw new DiskError('io', 'test.fault', 'the host fails');
    this.writeSync(src, offset);
  }
}

describe('compressed writes', () => {
  it('consist of whole units, but for the last one of the disk', () => {
    const [, disk] = newDisk(200_192);
    const refused = { code: 'invalid-argument', detail: 'disk.compressed-range' };
    for (const [offset, length] of [
      [512, CLUSTER],
      [0, 512],
      [0, CLUSTER + 512],
      [CLUSTER, CLUSTER - 1],
    ] as const) {
      const src = new Uint8Array(length);
      expect(errorOf(() => compress(disk, src, offset))).toMatchObject(refused);
      const batch = [{ op: 'write' as const, guestOffset: offset, buffer: src, compressed: true }];
      expect(errorOf(() => disk.submitBatchSync(batch))).toMatchObject(refused);
    }
    expect(errorOf(() => compress(disk, new Uint8Array(CLUSTER), 4 * CLUSTER))).toMatchObject({
      code: 'out-of-range',
    });
    const content = new Uint8Array(200_192);
    content.set(contentOf(3, 200_192 - 3 * CLUSTER), 3 * CLUSTER);
    compress(disk, content.subarray(3 * CLUSTER), 3 * CLUSTER);
    compress(disk, new Uint8Array(0), 0);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    disk.closeSync();
  });

  it('are a part of batches', async () => {
    const [files, disk] = newDisk(8 * 4096, { cluster_size: 4096 });
    const content = new Uint8Array(8 * 4096);
    content.set(contentOf(1, 4 * 4096));
    content.set(contentOf(2, 4096), 2048);
    const found = new Uint8Array(8192);
    const results = await disk.submitBatch([
      { op: 'write', guestOffset: 0, buffer: content.subarray(0, 2048), compressed: false },
      { op: 'write', guestOffset: 0, buffer: contentOf(1, 4 * 4096), compressed: true },
      { op: 'write', guestOffset: 2048, buffer: contentOf(2, 4096) },
      { op: 'flush' },
      { op: 'read', guestOffset: 0, buffer: found },
    ]);
    expect(results.map(({ error }) => error)).toEqual(results.map(() => undefined));
    expect(firstDifference(found, content.subarray(0, 8192))).toBe(-1);
    disk.closeSync();
    const places = placesOf(files.imageBytes, 8);
    expect(places.map((place) => place !== undefined)).toEqual(
      [false, false, true, true, false, false, false, false], //
    );
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('are not there with an external data file, nor in part of a disk', () => {
    const [files, disk] = newDisk(100_352, { cluster_size: 512, data_file: 'data' });
    expect(disk.capabilities.compression).toBeUndefined();
    const operation = { op: 'write' as const, guestOffset: 0, buffer: new Uint8Array(512) };
    const batch = [{ ...operation, compressed: true }];
    expect(errorOf(() => disk.submitBatchSync(batch))).toMatchObject({
      code: 'unsupported',
      detail: 'disk.not-capable',
    });
    disk.closeSync();
    const readOnly = openWritable(files, { writable: false });
    expect(readOnly.capabilities.compression).toBeUndefined();
    expect(errorOf(() => readOnly.submitBatchSync(batch)).code).toBe('read-only');
    const [, other] = newDisk(100_352, { cluster_size: 512 });
    const part = sliceDisk(other, { startBytes: 512, lengthBytes: 1024 });
    expect(part.capabilities.compression).toBeUndefined();
    part.closeSync();
    other.closeSync();
  });

  it('keep nobody off while they are prepared but those that come later to the same place', async () => {
    const [files, disk] = newDisk(64 * 4096, { cluster_size: 4096 });
    const content = new Uint8Array(64 * 4096);
    const done: string[] = [];
    const note = (name: string, work: Promise<void>) => work.then(() => void done.push(name));
    const { compression } = disk.capabilities;
    // Its first byte makes it slow.
    const slow = contentOf(1, 32 * 4096);
    slow[0] = 4;
    content.set(slow);
    const work = [note('compressed', compression!.write(slow, 0))];
    content.fill(5, 40 * 4096, 41 * 4096);
    work.push(note('beside', disk.write(new Uint8Array(4096).fill(5), 40 * 4096)));
    work.push(note('beside', disk.writeZeroes(50 * 4096, 4096)));
    content.fill(6, 100, 5000);
    work.push(note('behind', disk.write(new Uint8Array(4900).fill(6), 100)));
    content.fill(0, 2 * 4096, 3 * 4096);
    work.push(note('behind', disk.writeZeroes(2 * 4096, 4096)));
    expect(errorOf(() => disk.writeSync(new Uint8Array(512), 0)).code).toBe('busy');
    expect(errorOf(() => disk.closeSync()).code).toBe('busy');
    await Promise.all(work);
    expect(done).toEqual(['beside', 'beside', 'compressed', 'behind', 'behind']);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    const last = [compression!.write(slow, 0), disk.close()];
    await Promise.all(last);
    content.set(slow);
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it('of many units are placed part by part, and let others in between', async () => {
    const [files, disk] = newDisk(700 * 512, { cluster_size: 512 });
    const content = new Uint8Array(700 * 512);
    content.set(contentOf(1, 600 * 512));
    content.fill(9, 650 * 512, 660 * 512);
    let placed = false;
    const large = disk.capabilities
      .compression!.write(content.slice(0, 600 * 512), 0)
      .then(() => (placed = true));
    const seen: boolean[] = [];
    for (let index = 650; index < 660; index++) {
      await disk.write(content.slice(index * 512, (index + 1) * 512), index * 512);
      seen.push(placed);
    }
    await large;
    expect(seen[0]).toBe(false);
    disk.capabilities.compression!.writeSync(content.subarray(0, 600 * 512), 0);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('are judged by the size that the disk has when their turn comes', async () => {
    const [files, disk] = newDisk(10 * 4096 - 512, { cluster_size: 4096 });
    const { compression, resizing } = disk.capabilities;
    const last = contentOf(1, 4096 - 512);
    const outcomes = await Promise.allSettled([
      resizing!.resize(20 * 4096),
      compression!.write(last, 9 * 4096),
      resizing!.resize(10 * 4096, { shrink: true }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { detail: 'disk.compressed-range' } });
    const smaller = await Promise.allSettled([
      resizing!.resize(5 * 4096, { shrink: true }),
      compression!.write(contentOf(2, 8192), 4 * 4096),
    ]);
    expect(smaller[1]).toMatchObject({ status: 'rejected', reason: { code: 'out-of-range' } });
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('that fail leave the others alone, and nothing behind', async () => {
    const storage = new FailingStorage(new Uint8Array(0), 'image');
    const files = createImage(new ImageFiles(storage), 64 * 4096, { cluster_size: 4096 });
    const disk = openWritable(files);
    const content = new Uint8Array(64 * 4096);
    let failed = 0;
    for (let round = 0; round < 8; round++) {
      const writes = Array.from({ length: 32 }, async (_, index) => {
        const at = index * 8192;
        const src = contentOf(round * 32 + index, 8192);
        try {
          await disk.capabilities.compression!.write(src, at);
          content.set(src, at);
        } catch (error) {
          expect((error as DiskError).detail).toBe('test.fault');
          failed += 1;
        }
      });
      storage.failAt = storage.writes + 3 + round * 3;
      await Promise.all(writes);
      expect(firstDifference(readAll(disk), content)).toBe(-1);
    }
    expect(failed).toBeGreaterThan(4);
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });
});
