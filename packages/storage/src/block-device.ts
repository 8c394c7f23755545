/** How long a block device is. Its `stat` says 0, and Node has no call for the true answer. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { hostCall, type Step } from '@diskfile/core';
import { hostError } from './host-error.ts';

const readAsync = promisify(fs.read);

const SECTOR_BYTES = 512;
/** Sector counts above this would be sizes that no number holds exactly. */
const MAX_SECTORS = Math.floor(Number.MAX_SAFE_INTEGER / SECTOR_BYTES);

/** An opened block device. */
export interface BlockDevice {
  readonly fd: number;
  readonly path: string;
  readonly deviceNumber: number;
}

/** Size in bytes: what Linux lists in sysfs, or where reading stops on other hosts. */
export function* blockDeviceSize(device: BlockDevice, sysfs = '/sys'): Step<number> {
  const sectorsFile = `${sysfs}/dev/block/${deviceName(device.deviceNumber)}/size`;
  const listed = yield* hostCall(
    () => readSectorCount(sectorsFile),
    async () => readSectorCount(sectorsFile),
  );
  return (listed ?? (yield* countSectors(device))) * SECTOR_BYTES;
}

/** Undefined where the host has no sysfs. The file is a few bytes in memory, so reading is quick. */
function readSectorCount(file: string): number | undefined {
  try {
    const count = Number(fs.readFileSync(file, 'latin1'));
    return Number.isSafeInteger(count) && count <= MAX_SECTORS ? count : undefined;
  } catch {
    return undefined;
  }
}

/** `MAJOR:MINOR` of a device number as Linux packs it: makedev(3). */
export function deviceName(deviceNumber: number): string {
  const low = deviceNumber % 256;
  const middle = Math.floor(deviceNumber / 2 ** 8) % 2 ** 12;
  const minorHigh = Math.floor(deviceNumber / 2 ** 20) % 2 ** 24;
  const majorHigh = Math.floor(deviceNumber / 2 ** 44) % 2 ** 20;
  return `${majorHigh * 2 ** 12 + middle}:${minorHigh * 256 + low}`;
}

/** Finds the first sector that reads as nothing, by doubling and then halving. */
function* countSectors(device: BlockDevice): Step<number> {
  let present = 0;
  let missing = 1;
  while (missing <= MAX_SECTORS && (yield* sectorExists(device, missing - 1))) {
    present = missing;
    missing *= 2;
  }
  while (missing - present > 1) {
    const middle = present + Math.floor((missing - present) / 2);
    if (yield* sectorExists(device, middle - 1)) present = middle;
    else missing = middle;
  }
  return present;
}

function* sectorExists({ fd, path }: BlockDevice, index: number): Step<boolean> {
  const sector = new Uint8Array(SECTOR_BYTES);
  const offset = index * SECTOR_BYTES;
  try {
    const count = yield* hostCall(
      () => fs.readSync(fd, sector, 0, SECTOR_BYTES, offset),
      async () => (await readAsync(fd, sector, 0, SECTOR_BYTES, offset)).bytesRead,
    );
    return count === SECTOR_BYTES;
  } catch (error) {
    // Some hosts refuse to read behind the end instead of reading nothing.
    if (index > 0 && isBeyondEnd(error)) return false;
    throw hostError(error, 'open', path, offset);
  }
}

function isBeyondEnd(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENXIO' || code === 'EINVAL' || code === 'ENOSPC';
}
