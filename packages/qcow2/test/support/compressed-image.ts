/** Images with compressed clusters: made, and looked at with nothing of the package. */
import { deflateRawSync } from 'node:zlib';
import type { DiskFile } from '@diskfile/core';
import { createImage, type CreateOptions, ImageFiles, openWritable } from './writable-image.ts';

/** What a verdict is of an image that is in order. */
export const SOUND = { errors: [], leaks: [] };

/** Host offsets of the compressed clusters that the first L2 table names; undefined for others. */
export function placesOf(image: Uint8Array, count: number): (number | undefined)[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const table = Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n);
  const mask = (1n << BigInt(70 - view.getUint32(20))) - 1n;
  return Array.from({ length: count }, (_, index) => {
    const entry = view.getBigUint64(table + index * 8);
    return (entry & (1n << 62n)) === 0n ? undefined : Number(entry & mask);
  });
}

/** How long the encoded form of a cluster is. */
export function encodedBytes(content: Uint8Array): number {
  return deflateRawSync(content, { windowBits: 12, memLevel: 9 }).length;
}

export function newDisk(sizeBytes: number, options: CreateOptions = {}): [ImageFiles, DiskFile] {
  const files = createImage(new ImageFiles(), sizeBytes, options);
  return [files, openWritable(files)];
}

export function compress(disk: DiskFile, src: Uint8Array, guestOffset: number): void {
  disk.capabilities.compression!.writeSync(src, guestOffset);
}
