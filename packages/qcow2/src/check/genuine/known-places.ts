/** Where the metadata of an image lies, by its tables. */
import { readU32be } from '@diskfile/bytes';
import { readBytes, type Step } from '@diskfile/core';
import { clusterOffset } from '../../tables/l2-entry.ts';
import type { CheckedImage } from './checked-image.ts';
import type { MetadataPlace } from './metadata-places.ts';

/** In the order in which QEMU looks for what would be overwritten. */
export function* knownPlaces(image: CheckedImage): Step<MetadataPlace[]> {
  const { storage, checked, refcounts, snapshots, snapshotTableBytes } = image;
  const { header, snapshotsOffset } = checked;
  const { clusterBytes, l1Table } = header;
  const l1 = yield* readBytes(storage, l1Table.offset, l1Table.entries * 8);
  const l2Tables = Array.from({ length: l1Table.entries }, (_, index) => ({
    what: 'active L2 table',
    hostOffset: clusterOffset(readU32be(l1, index * 8), readU32be(l1, index * 8 + 4)),
    lengthBytes: clusterBytes,
  }));
  const blocks = Array.from({ length: refcounts.blocks }, (_, index) => ({
    what: 'refcount block',
    hostOffset: refcounts.blockOffset(index),
    lengthBytes: clusterBytes,
  }));
  const isUsed = ({ hostOffset }: MetadataPlace): boolean => hostOffset !== 0;
  return [
    { what: 'qcow2_header', hostOffset: 0, lengthBytes: clusterBytes },
    { what: 'active L1 table', hostOffset: l1Table.offset, lengthBytes: l1Table.entries * 8 },
    ...l2Tables.filter(isUsed),
    {
      what: 'refcount table',
      hostOffset: refcounts.tableOffset,
      lengthBytes: refcounts.tableClusters * clusterBytes,
    },
    {
      what: 'snapshot table',
      hostOffset: snapshotsOffset,
      lengthBytes: snapshotTableBytes,
    },
    ...snapshots.map(({ l1Offset, l1Entries }) => ({
      what: 'inactive L1 table',
      hostOffset: l1Offset,
      lengthBytes: l1Entries * 8,
    })),
    ...blocks.filter(isUsed),
  ];
}
