/** Zeros and discards as QEMU's drivers make them. */
import { DiskError, type DiskFile, type ImageInfo } from 'diskfile';
import { discards, zeroHabit } from '../text/format-habits.ts';

/** Zeros written at a time where a format cannot express them. */
const CHUNK_BYTES = 1024 * 1024;

export interface ZeroRequest {
  readonly offset: number;
  readonly length: number;
  readonly mayUnmap: boolean;
  /** Whether to fail where zeros would have to be written as data. */
  readonly noFallback: boolean;
}

/**
 * Makes a range read as zeros. Where QEMU's driver has no way to say so, they are written, which
 * takes space.
 * @param format of the image, whatever filters lie over it
 */
export async function writeZeroes(
  disk: DiskFile,
  format: string,
  { offset, length, mayUnmap, noFallback }: ZeroRequest,
): Promise<void> {
  const [{ backing, details }] = disk.info() as [ImageInfo];
  // The first version of qcow2 has no zero clusters: it leaves out what nothing lies below.
  const isOld = format === 'qcow2' && details['compat'] === '0.10';
  const linksZeros =
    details['zeroedGrains'] === true && details['createType'] !== 'streamOptimized';
  const ofFormat = linksZeros ? 'clusters' : zeroHabit(format);
  const habit = isOld && backing !== undefined ? 'none' : ofFormat;
  if (offset + length > disk.sizeBytes) throw outOfRange();
  if (noFallback && (isOld || habit !== 'any')) throw noWay();
  if (habit === 'any') {
    const tablesOnly = noFallback && format === 'qcow2';
    return await disk.writeZeroes(offset, length, { mayUnmap, tablesOnly });
  }
  const { clusterBytes } = disk.topology;
  const whole =
    habit === 'none'
      ? { start: offset, end: offset }
      : wholeUnits(offset, offset + length, clusterBytes);
  await writeAsData(disk, offset, whole.start);
  if (whole.end > whole.start) {
    await disk.writeZeroes(whole.start, whole.end - whole.start, { mayUnmap });
  }
  await writeAsData(disk, whole.end, offset + length);
}

/** The whole units in a range; an empty place at its start where there are none. */
function wholeUnits(start: number, end: number, unit: number): { start: number; end: number } {
  const first = Math.ceil(start / unit) * unit;
  const last = Math.floor(end / unit) * unit;
  return first < last ? { start: first, end: last } : { start, end: start };
}

async function writeAsData(disk: DiskFile, start: number, end: number): Promise<void> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    await disk.write(new Uint8Array(Math.min(CHUNK_BYTES, end - at)), at);
  }
}

function outOfRange(): DiskError {
  return new DiskError('out-of-range', 'disk.range', 'The range leaves the disk');
}

function noWay(): DiskError {
  return new DiskError('unsupported', 'disk.zeros-need-data', 'Zeros would have to be written');
}

/** Gives a range up, where QEMU's driver does. */
export async function discard(
  disk: DiskFile,
  format: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): Promise<void> {
  if (discards(format)) return await disk.discard(offset, length);
  if (offset + length > disk.sizeBytes) throw outOfRange();
}
