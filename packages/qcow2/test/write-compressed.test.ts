import { describe, expect, it } from 'vitest';
import { contentOf } from './support/content.ts';
import { errorOf, firstDifference, readAll } from './support/open-image.ts';
import { verifyImage } from './support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from './support/writable-image.ts';

const CLUSTER = 65_536;

/** Host offsets of the compressed clusters that the first L2 table names; undefined for others. */
function placesOf(image: Uint8Array, count: number): (number | undefined)[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const bits = view.getUint32(20);
  const table = Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n);
  const mask = (1n << BigInt(70 - bits)) - 1n;
  return Array.from({ length: count }, (_, index) => {
    const entry = view.getBigUint64(table + index * 8);
    return (entry & (1n << 62n)) === 0n ? undefined : Number(entry & mask);
  });
}

describe('compressed writes', () => {
  it('are packed one behind another', () => {
    const files = createImage(new ImageFiles(), 1_000_448);
    const disk = openWritable(files);
    const content = contentOf(1, 1_000_448);
    const { compression } = disk.capabilities;
    expect(compression!.unitBytes).toBe(CLUSTER);
    compression!.writeSync(content, 0);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
    const places = placesOf(files.imageBytes, 16);
    expect(places[0]).toBe(5 * CLUSTER);
    for (let index = 1; index < 16; index++) {
      expect(places[index]! - places[index - 1]!).toBeLessThan(CLUSTER * 0.6);
    }
    expect(files.image.sizeBytes).toBeLessThan(CLUSTER * 5 + 600_000);
    expect(firstDifference(readAll(openWritable(files, { writable: false })), content)).toBe(-1);
  });

  it('consist of whole units, but for the last one', () => {
    const disk = openWritable(createImage(new ImageFiles(), 200_192));
    const { compression } = disk.capabilities;
    const refused = { code: 'invalid-argument', detail: 'disk.compressed-range' };
    for (const [offset, length] of [
      [512, CLUSTER],
      [0, 512],
      [0, CLUSTER + 512],
      [CLUSTER, CLUSTER - 1],
    ] as const) {
      const attempt = () => compression!.writeSync(new Uint8Array(length), offset);
      expect(errorOf(attempt)).toMatchObject(refused);
    }
    compression!.writeSync(contentOf(3, 200_192 - 3 * CLUSTER), 3 * CLUSTER);
    compression!.writeSync(new Uint8Array(0), 0);
    disk.closeSync();
  });
});
