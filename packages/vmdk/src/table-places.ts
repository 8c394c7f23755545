/** Where an extent keeps its tables: looked at before any of them is changed. */
import { divideUp } from '@diskfile/bytes';
import { ClusterSet, type Limits } from '@diskfile/core';
import { MAX_DESCRIPTOR_BYTES } from './descriptor.ts';
import type { GrainPlaces } from './grain-places.ts';
import { corrupt } from './refusals.ts';
import type { SparseHeader } from './sparse-extent.ts';
import { SECTOR_BYTES } from './structs.ts';

const ENTRY_BYTES = 4;

export interface TableDirectories {
  readonly directory: Uint8Array;
  /** Its tables may be those of the first one. */
  readonly redundant: Uint8Array | undefined;
  readonly fileBytes: number;
}

/**
 * @throws DiskError `corrupt` where a table lies beyond the file, or upon another one, a grain, or what
 *   tells where they are
 */
export function checkTablePlaces(
  header: SparseHeader,
  { directory, redundant, fileBytes }: TableDirectories,
  grains: GrainPlaces,
  { maxStructureBytes }: Limits,
): void {
  const tableBytes = header.entriesPerTable * ENTRY_BYTES;
  const taken = new ClusterSet(maxStructureBytes);
  const take = (offset: number, lengthBytes: number): number =>
    taken.add(Math.floor(offset / SECTOR_BYTES), divideUp(lengthBytes, SECTOR_BYTES));
  take(0, SECTOR_BYTES);
  if (header.descriptor !== undefined) {
    const { offset, lengthBytes } = header.descriptor;
    take(offset, Math.min(lengthBytes, MAX_DESCRIPTOR_BYTES));
  }
  take(header.directoryOffset, directory.length);
  if (redundant !== undefined) take(header.redundantOffset, redundant.length);
  const first = sectorsIn(directory);
  const second = redundant === undefined ? [] : sectorsIn(redundant);
  // Where both directories name one table, it is looked at once.
  const others = [...second].filter((sector, index) => sector !== first[index]);
  for (const sector of [...first, ...others]) {
    if (sector === 0) continue;
    const hostOffset = sector * SECTOR_BYTES;
    if (hostOffset + tableBytes > fileBytes) {
      throw corrupt('vmdk.table-beyond-file', 'A grain table is not in the file', hostOffset);
    }
    const isAlone = take(hostOffset, tableBytes) === 0 && !grains.touches(hostOffset, tableBytes);
    if (!isAlone) {
      throw corrupt('vmdk.table-place', 'A grain table lies where something else is', hostOffset);
    }
  }
}

function sectorsIn(directory: Uint8Array): Uint32Array {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.length);
  return Uint32Array.from({ length: directory.length / ENTRY_BYTES }, (_, index) =>
    view.getUint32(index * ENTRY_BYTES, true),
  );
}
