import { describe, expect, it } from 'vitest';
import { contentOf, mixedContentOf } from '../support/content.ts';
import { compress, encodedBytes, newDisk, placesOf, SOUND } from '../support/compressed-image.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import { openWritable } from '../support/writable-image.ts';

const CLUSTER = 65_536;

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
