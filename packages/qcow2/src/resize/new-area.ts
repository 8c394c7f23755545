/** Hides what the image below holds in the area that a disk grows into. */
import { alignUp } from '@diskfile/bytes';
import type { ResizeRequest, Step } from '@diskfile/core';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { zeroing } from '../tables/cluster-zeroing.ts';
import type { MetadataWriter } from '../metadata-writer.ts';

/** Does so for whole units; the one that holds the old end has been dealt with. */
export function* zeroNewArea(
  tables: ClusterTables,
  area: { readonly from: number; readonly to: number },
  { backingBytes, writeZeros }: Pick<ResizeRequest, 'backingBytes' | 'writeZeros'>,
  writer: MetadataWriter,
): Step<void> {
  const from = alignUp(area.from, tables.unitBytes);
  if (tables.metadata.header.version === 2) {
    // There are no zero clusters, so it takes data.
    const to = Math.min(area.to, backingBytes);
    if (to > from) yield* writeZeros(from, to - from);
    return;
  }
  const end = alignUp(area.to, tables.unitBytes);
  for (let at = from; at < end;) {
    yield* writer.makeRoom();
    const slice = yield* tables.ownSlice(at);
    const stop = Math.min(end, slice.endGuestOffset);
    yield* tables.change(at, stop, zeroing(tables, at, stop, false));
    at = stop;
  }
}
