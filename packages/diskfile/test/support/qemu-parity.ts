/** The comparison that all interop tests of disk formats make. */
import { readFileSync } from 'node:fs';
import { canFindHoles } from '@diskfile/storage';
import { asQemuMap, type QemuDirectory } from '@diskfile/testkit';
import { expect } from 'vitest';
import { type DiskFile, openDiskFile } from '../../src/index.ts';

/** What `qemu-img convert` makes of an image. */
export function convertedBytes(directory: QemuDirectory, ...args: readonly string[]): Uint8Array {
  directory.img('convert', '-O', 'raw', ...args, 'expected.raw');
  return readFileSync(directory.file('expected.raw'));
}

/** Reads all of a disk; meant for small ones. */
export function wholeDisk(disk: DiskFile): Uint8Array {
  const bytes = new Uint8Array(disk.sizeBytes).fill(0xee);
  disk.readSync(bytes, 0);
  return bytes;
}

/** Equal content, and equal block status where the host can tell holes. */
export async function expectEqualToQemu(directory: QemuDirectory, name: string): Promise<void> {
  await using disk = await openDiskFile(directory.file(name));
  const expected = convertedBytes(directory, name);
  expect(Buffer.compare(wholeDisk(disk), expected)).toBe(0);
  if (canFindHoles()) expect(asQemuMap(disk.blockStatusSync())).toEqual(directory.map(name));
}
