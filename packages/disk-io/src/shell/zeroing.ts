/** Zeros and discards as QEMU's drivers make them. */
import { DiskError, type DiskFile } from 'diskfile';
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
  const habit = zeroHabit(format);
  if (noFallback && habit !== 'any') throw noWay();
  if (noFallback && format === 'qcow2') {
    return await zeroWithoutWriting(disk, { offset, length, mayUnmap });
  }
  if (habit === 'any') return await disk.writeZeroes(offset, length, { mayUnmap });
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

/** Cluster by cluster at the ends: a part of one can be zeros only where the rest is already. */
async function zeroWithoutWriting(
  disk: DiskFile,
  { offset, length, mayUnmap }: Omit<ZeroRequest, 'noFallback'>,
): Promise<void> {
  const { clusterBytes } = disk.topology;
  const end = offset + length;
  const { start: wholeStart, end: wholeEnd } = wholeUnits(offset, end, clusterBytes);
  for (const [partStart, partEnd] of [
    [offset, wholeStart],
    [wholeStart, wholeEnd],
    [wholeEnd, end],
  ] as const) {
    for (let at = partStart; at < partEnd;) {
      const clusterEnd = Math.floor(at / clusterBytes + 1) * clusterBytes;
      const isWhole = partStart === wholeStart && wholeEnd > wholeStart;
      const stop = isWhole ? partEnd : Math.min(partEnd, clusterEnd);
      if (!isWhole && !(await isZeroCluster(disk, clusterEnd - clusterBytes))) throw noWay();
      await disk.writeZeroes(at, stop - at, { mayUnmap });
      at = stop;
    }
  }
}

async function isZeroCluster(disk: DiskFile, start: number): Promise<boolean> {
  const length = Math.min(disk.topology.clusterBytes, disk.sizeBytes - start);
  for await (const status of disk.blockStatus(start, length)) if (!status.zero) return false;
  return true;
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
  if (offset + length <= disk.sizeBytes) return;
  throw new DiskError('out-of-range', 'disk.range', 'The range leaves the disk');
}
