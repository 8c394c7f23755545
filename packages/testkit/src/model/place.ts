/** Where an operation works: chosen before the size of the disk is known, and shrunk with ease. */
import fc from 'fast-check';
import type { DiskModel, GuestWindow } from './disk-model.ts';
import { SECTOR_BYTES } from './mismatch.ts';

const MAX_BYTES = 192 * 1024;

export interface Place {
  readonly unit: 'byte' | 'sector' | 'cluster';
  /** Start and length in units; the start counts modulo what the disk has. */
  readonly start: number;
  readonly length: number;
}

export const places: fc.Arbitrary<Place> = fc.oneof(
  { weight: 3, arbitrary: placesOf('byte', 3000) },
  { weight: 3, arbitrary: placesOf('sector', 40) },
  { weight: 2, arbitrary: placesOf('cluster', 12) },
);

function placesOf(unit: Place['unit'], maxLength: number): fc.Arbitrary<Place> {
  return fc.record({
    unit: fc.constant(unit),
    start: fc.nat(2 ** 24),
    length: fc.integer({ min: 1, max: maxLength }),
  });
}

/** Within the disk; at least one byte of a disk that has any. */
export function windowOf({ unit, start, length }: Place, model: DiskModel): GuestWindow {
  const { sizeBytes, traits } = model;
  if (sizeBytes === 0) return { guestOffset: 0, lengthBytes: 0 };
  const unitBytes = { byte: 1, sector: SECTOR_BYTES, cluster: traits.clusterBytes }[unit];
  const units = Math.ceil(sizeBytes / unitBytes);
  const guestOffset = (start % units) * unitBytes;
  const wanted = Math.max(unitBytes, Math.min(length * unitBytes, MAX_BYTES));
  return { guestOffset, lengthBytes: Math.min(wanted, sizeBytes - guestOffset) };
}

export function describePlace({ unit, start, length }: Place): string {
  return `${length} ${unit}${length === 1 ? '' : 's'} from ${start}`;
}
