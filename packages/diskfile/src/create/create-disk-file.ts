/** Creating virtual disks. */
import { runAsync, runSync, type Step } from '@diskfile/core';
import { hostPath } from '../open/image-target.ts';
import type { CreateDiskFileOptions } from './create-options.ts';
import { Creation, type Filling } from './creation.ts';

/**
 * Creates a disk image. It appears under its name complete and durable, or not at all; what has to
 * be written where it is may be left half done, see `overwrite`.
 * @throws DiskError `invalid-argument`, `unsupported` for formats that are only read, `busy` when
 *   the file to be replaced is in use, `no-space`, `io`, and what opening the backing image throws
 * @example
 * await createDiskFile('vm.qcow2', { format: 'qcow2', sizeBytes: 20 * 2 ** 30 });
 */
export async function createDiskFile(
  path: string | URL,
  options: CreateDiskFileOptions,
): Promise<void> {
  await runAsync(new Creation(hostPath('create', path), options).run());
}

/** The synchronous form of {@link createDiskFile}; blocks the thread. */
export function createDiskFileSync(path: string | URL, options: CreateDiskFileOptions): void {
  runSync(new Creation(hostPath('create', path), options).run());
}

/**
 * Creates an image and lets `fill` write to it before it appears under its name. The disk is closed
 * when that has ended.
 */
export function createFilled(
  path: string,
  options: CreateDiskFileOptions,
  filling: Filling,
): Step<void> {
  return new Creation(path, options, filling).run();
}
