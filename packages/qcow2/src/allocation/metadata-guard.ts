/** Keeps whatever is allocated off the metadata of the image. */
import type { Step } from '@diskfile/core';
import type { HeaderWriter } from '../header/header-writer.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { MetadataMap } from '../tables/overlap.ts';

/** What a cluster is taken for, where QEMU tells that before it looks at what lies there. */
export type ClusterUse = 'L2 table' | 'refcount block' | 'compressed cluster';

export class MetadataGuard {
  readonly #map: MetadataMap;
  readonly #header: HeaderWriter;
  readonly #clusterBytes: number;

  constructor(map: MetadataMap, header: HeaderWriter, clusterBytes: number) {
    this.#map = map;
    this.#header = header;
    this.#clusterBytes = clusterBytes;
  }

  /** Refuses to change tables of which one lies in the place of another. */
  *refuseConflict(): Step<void> {
    const { conflict } = this.#map;
    if (conflict === undefined) return;
    yield* this.#header.refuseOverlap(conflict.kind, conflict.hostOffset);
  }

  /** Refuses clusters that hold metadata, although they count as free. */
  *refuse({ start, count }: ClusterRun, use?: ClusterUse): Step<void> {
    yield* this.refuseConflict();
    if (start === 0) yield* this.#header.refuseHeaderCluster(use);
    const kind = this.#map.findGuarded(start, start + count);
    if (kind === undefined) return;
    yield* this.#header.refuseOverlap(kind, start * this.#clusterBytes);
  }
}
