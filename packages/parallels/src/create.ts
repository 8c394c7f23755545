/** Creating Parallels images, byte for byte as `qemu-img create -f parallels` does. */
import { alignUp, DiskError, divideUp } from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  parseByteCount,
  quote,
  type Step,
  truncateStorage,
  writeBytes,
} from '@diskfile/core';
import { ENTRY_BYTES, HEADER_BYTES, MAX_CLUSTER_SECTORS, MAX_TABLE_ENTRIES } from './header.ts';
import { IN_USE, MAGIC, parallelsHeader, SECTOR_BYTES, VERSION } from './structs.ts';

const DEFAULT_CLUSTER_BYTES = 1024 * 1024;
/** What QEMU writes; nobody goes by it. */
const GEOMETRY = { heads: 16, sectorsPerTrack: 32 };

export function* createParallels(context: CreateContext): Step<void> {
  const { storage, sizeBytes, backing } = context;
  if (backing !== undefined) {
    throw refused('parallels.no-backing', 'A Parallels image is not made over another');
  }
  const clusterBytes = parseClusterSize(context.options);
  const tableEntries = clusterBytes === 0 ? Infinity : divideUp(sizeBytes, clusterBytes);
  if (tableEntries > MAX_TABLE_ENTRIES) {
    const message = 'Image size is too large for this cluster size';
    throw refused('parallels.too-large', message, 'Choose larger clusters.');
  }
  const dataOffset =
    divideUp(HEADER_BYTES + tableEntries * ENTRY_BYTES, clusterBytes) * clusterBytes;
  const sectors = divideUp(sizeBytes, SECTOR_BYTES);
  const { heads, sectorsPerTrack } = GEOMETRY;
  const header = new Uint8Array(HEADER_BYTES);
  parallelsHeader.encode(
    {
      magic: Uint8Array.from(MAGIC.clusters, (character) => character.charCodeAt(0)),
      version: VERSION,
      heads,
      cylinders: Math.floor(sectors / heads / sectorsPerTrack) % 2 ** 32,
      tracks: clusterBytes / SECTOR_BYTES,
      nb_bat_entries: tableEntries,
      nb_sectors_low: sectors % 2 ** 32,
      nb_sectors_high: Math.floor(sectors / 2 ** 32),
      in_use: IN_USE.closedWithoutExtension,
      data_off: dataOffset / SECTOR_BYTES,
      flags: 0,
      ext_off: 0,
    },
    header,
  );
  yield* truncateStorage(storage, dataOffset);
  yield* writeBytes(storage, header, 0);
  yield* flushStorage(storage);
}

function parseClusterSize(options: CreateContext['options']): number {
  const { cluster_size = DEFAULT_CLUSTER_BYTES, ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    const message = `Parallels images have no option ${quote(name)}`;
    throw refused('parallels.option', message, 'Known options: cluster_size.');
  }
  const given = parseByteCount(cluster_size);
  if (given === undefined) {
    throw refused('parallels.cluster-size', 'cluster_size is to be a number of bytes');
  }
  const clusterBytes = alignUp(given, SECTOR_BYTES);
  if (clusterBytes > MAX_CLUSTER_SECTORS * SECTOR_BYTES) {
    throw refused('parallels.cluster-size', 'Cluster size is too large');
  }
  return clusterBytes;
}

function refused(detail: string, message: string, hint?: string): DiskError {
  const context = { op: 'create', format: 'parallels', layer: 'format' };
  const all = hint === undefined ? context : { ...context, hint };
  return new DiskError('invalid-argument', detail, message, all);
}
