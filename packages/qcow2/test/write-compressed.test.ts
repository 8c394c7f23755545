import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type DiskFile, sliceDisk } from '@diskfile/core';
import { contentOf, mixedContentOf } from './support/content.ts';
import { randomFrom } from './support/crash-storage.ts';
import { errorOf, firstDifference, readAll } from './support/open-image.ts';
import { verifyImage } from './support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from './support/writable-image.ts';

const CLUSTER = 65_536;
const SOUND = { errors: [], leaks: [] };

/** Host offsets of the compressed clusters that the first L2 table names; undefined for others. */
function placesOf(image: Uint8Array, count: number): (number | undefined)[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const table = Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n);
  const mask = (1n << BigInt(70 - view.getUint32(20))) - 1n;
  return Array.from({ length: count }, (_, index) => {
    const entry = view.getBigUint64(table + index * 8);
    return (entry & (1n << 62n)) === 0n ? undefined : Number(entry & mask);
  });
}

function encodedBytes(content: Uint8Array): number {
  return deflateRawSync(content, { windowBits: 12, memLevel: 9 }).length;
}

function newDisk(sizeBytes: number, options: CreateOptions = {}): [ImageFiles, DiskFile] {
  const files = createImage(new ImageFiles(), sizeBytes, options);
  return [files, openWritable(files)];
}

function compress(disk: DiskFile, src: Uint8Array, guestOffset: number): void {
  disk.capabilities.compression!.writeSync(src, guestOffset);
}

/** Noise, which no codec makes smaller. */
function noise(lengthBytes: number): Uint8Array {
  const random = randomFrom(lengthBytes);
  return Uint8Array.from({ length: lengthBytes }, () => random() * 256);
}

describe('compressed clusters', () => {
  it('are packed one behind another, over the ends of host clusters', () => {
    const [files, disk] = newDisk(1_000_448);
    const content = contentOf(1, 1_000_448);
    expect(disk.capabilities.compression!.unitBytes).toBe(CLUSTER);
    compress(disk, content, 0);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    const expected: number[] = [];
    let end = 5 * CLUSTER;
    for (let at = 0; at < content.length; at += CLUSTER) {
      expected.push(end);
      const unit = new Uint8Array(CLUSTER);
      unit.set(content.subarray(at, at + CLUSTER));
      end += encodedBytes(unit);
    }
    expect(placesOf(files.imageBytes, 16)).toEqual(expected);
    expect(files.image.sizeBytes).toBe(end);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it('begin anew behind an image that was closed', () => {
    const [files, disk] = newDisk(4 * CLUSTER);
    compress(disk, contentOf(1, CLUSTER), 0);
    disk.closeSync();
    const again = openWritable(files);
    compress(again, contentOf(2, CLUSTER), CLUSTER);
    again.closeSync();
    expect(placesOf(files.imageBytes, 2)).toEqual([5 * CLUSTER, 6 * CLUSTER]);
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('are stored plainly when they get no smaller, and zeros are compressed like all else', () => {
    const [files, disk] = newDisk(4 * CLUSTER);
    const content = new Uint8Array(4 * CLUSTER);
    content.set(noise(CLUSTER), CLUSTER);
    compress(disk, content, 0);
    disk.closeSync();
    const packed = encodedBytes(new Uint8Array(CLUSTER));
    const start = 5 * CLUSTER;
    expect(placesOf(files.imageBytes, 4)).toEqual(
      [start, undefined, start + packed, start + 2 * packed], //
    );
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it.each([
    [1, 1],
    [2, 3],
    [4, 15],
    [8, 40],
  ])('share a host cluster as often as %s-bit refcounts can count', (bits, most) => {
    const [files, disk] = newDisk(40 * 4096, { cluster_size: 4096, refcount_bits: bits });
    compress(disk, new Uint8Array(40 * 4096).fill(7), 0);
    disk.closeSync();
    const clusters = placesOf(files.imageBytes, 40).map((place) => Math.floor(place! / 4096));
    const counts = new Map<number, number>();
    for (const cluster of clusters) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBe(most);
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('are followed only by compressed ones in the host cluster that they share', () => {
    const [files, disk] = newDisk(16 * 4096, { cluster_size: 4096 });
    const content = new Uint8Array(16 * 4096);
    const place = (first: number, fill: number, write: (src: Uint8Array, at: number) => void) => {
      const range = content.subarray(first * 4096, first * 4096 + 4096).fill(fill);
      write(range, first * 4096);
    };
    place(0, 1, (src, at) => compress(disk, src, at));
    disk.flushSync();
    // The only one there gives its host cluster up, which then goes to plain data.
    content.fill(0, 0, 4096);
    disk.discardSync(0, 4096);
    disk.flushSync();
    place(3, 4, (src, at) => disk.writeSync(src, at));
    place(5, 6, (src, at) => compress(disk, src, at));
    place(7, 8, (src, at) => disk.writeSync(src, at));
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it('begin anew where nothing is left of those before', () => {
    const [files, disk] = newDisk(4 * 4096, { cluster_size: 4096 });
    compress(disk, new Uint8Array(4096).fill(1), 0);
    disk.flushSync();
    disk.discardSync(0, 4096);
    disk.flushSync();
    compress(disk, new Uint8Array(8192).fill(2), 4096);
    disk.closeSync();
    const [, first, second] = placesOf(files.imageBytes, 4);
    expect(first! % 4096).toBe(0);
    expect(second! - first!).toBe(encodedBytes(new Uint8Array(4096).fill(2)));
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('give their space back when they are replaced, whatever by', () => {
    const [files, disk] = newDisk(64 * 512, { cluster_size: 512 });
    const random = randomFrom(3);
    let content: Uint8Array = new Uint8Array(0);
    let largest = 0;
    for (let round = 0; round < 60; round++) {
      content = mixedContentOf(round, 64 * 512);
      const write = random() < 0.7 ? disk.capabilities.compression! : disk;
      write.writeSync(content, 0);
      disk.flushSync();
      if (round === 8) largest = files.image.sizeBytes;
    }
    expect(files.image.sizeBytes).toBeLessThan(largest * 1.3);
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it('are read anew when others have taken their place', () => {
    const [, disk] = newDisk(32 * 4096, { cluster_size: 4096 });
    const content = new Uint8Array(32 * 4096);
    const random = randomFrom(5);
    const piece = new Uint8Array(100);
    for (let step = 0; step < 400; step++) {
      const at = Math.floor(random() * 32) * 4096;
      const unit = content.subarray(at, at + 4096);
      unit.set(contentOf(step, 4096));
      compress(disk, unit, at);
      if (step % 3 === 0) disk.flushSync();
      for (let read = 0; read < 4; read++) {
        const from = Math.floor(random() * (content.length - piece.length));
        disk.readSync(piece, from);
        expect(firstDifference(piece, content.subarray(from, from + piece.length))).toBe(-1);
      }
    }
    disk.closeSync();
  });
});

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
});
