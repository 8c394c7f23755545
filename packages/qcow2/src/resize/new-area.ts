/** Hides what the image below holds in the area that a disk grows into. */
import { alignUp } from '@diskfile/bytes';
import type { ResizeRequest, Step } from '@diskfile/core';
import type { ClusterTables } from '../cluster-tables.ts';
import { zeroing } from '../cluster-zeroing.ts';
import type { MetadataWriter } from '../metadata-writer.ts';

/** The unit that holds the old end has been dealt with. */
export function* zeroNewArea(
  tables: ClusterTables,
  oldBytes: number,
  { sizeBytes, backingBytes, writeZeros }: ResizeRequest,
  writer: MetadataWriter,
): Step<void> {
  const from = alignUp(oldBytes, tables.unitBytes);
  if (tables.metadata.header.version === 2) {
    // There are no zero clusters, so it takes data.
    const to = Math.min(sizeBytes, backingBytes);
    if (to > from) yield* writeZeros(from, to - from);
    return;
  }
  const end = alignUp(sizeBytes, tables.unitBytes);
  for (let at = from; at < end;) {
    yield* writer.makeRoom();
    const slice = yield* tables.ownSlice(at);
    const stop = Math.min(end, slice.endGuestOffset);
    yield* tables.change(at, stop, zeroing(tables, at, stop, false));
    at = stop;
  }
}
