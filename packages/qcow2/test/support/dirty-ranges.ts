/** What a bitmap calls dirty: to the package, and to the genuine tools. */
import type { DirtyGuestRange, DiskFile } from '@diskfile/core';
import type { WorkDirectory } from './qemu.ts';

export function dirtyRangesOf(disk: DiskFile, name: string): DirtyGuestRange[] {
  return [...disk.capabilities.bitmaps!.dirtyRangesSync(name)];
}

let served = 0;

/**
 * What `qemu-nbd` serves of a bitmap, which is what QEMU makes of it. A server may take a moment to
 * end, so each has a copy of the image and a socket of its own.
 */
export function dirtyRangesByQemu(
  directory: WorkDirectory,
  image: string,
  bitmap: string,
): DirtyGuestRange[] {
  served += 1;
  const copy = `served-${served}`;
  const socket = `${directory.path}/${copy}.sock`;
  directory.write(copy, directory.read(image));
  directory.serve('-r', '-f', 'qcow2', '-B', bitmap, '-k', socket, copy);
  const options = `driver=nbd,server.type=unix,server.path=${socket}`;
  const context = `x-dirty-bitmap=qemu:dirty-bitmap:${bitmap}`;
  const map = directory.run(
    'qemu-img',
    'map',
    '--output=json',
    '--image-opts',
    `${options},${context}`,
  );
  interface Extent {
    readonly start: number;
    readonly length: number;
    readonly present: boolean;
  }
  // Dirty parts are served as what is not there.
  return (JSON.parse(map) as Extent[])
    .filter(({ present }) => !present)
    .map(({ start, length }) => ({ guestOffset: start, lengthBytes: length }));
}

/** Joins what touches. */
export function joined(ranges: readonly DirtyGuestRange[]): DirtyGuestRange[] {
  const result: { guestOffset: number; lengthBytes: number }[] = [];
  for (const { guestOffset, lengthBytes } of ranges) {
    const last = result.at(-1);
    if (last !== undefined && last.guestOffset + last.lengthBytes === guestOffset) {
      last.lengthBytes += lengthBytes;
    } else result.push({ guestOffset, lengthBytes });
  }
  return result;
}
