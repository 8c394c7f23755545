/** Counts references to host clusters, in memory that grows with what is counted. */
import { DiskError } from '@diskfile/bytes';
import type { ClusterRun } from './refcounts.ts';

const PAGE_CLUSTERS = 4096;
const PAGE_BYTES = PAGE_CLUSTERS * 4;
/** Offsets in entries end at bit 55 and clusters are 512 bytes at least; exact in a number. */
const MAX_CLUSTER = 2 ** 47;

export class ReferenceTally {
  readonly #maxBytes: number;
  readonly #pages = new Map<number, Uint32Array>();
  #end = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Behind the last cluster that is referred to. */
  get end(): number {
    return this.#end;
  }

  /** @throws DiskError `limit` when the counts take too much memory, `corrupt` beyond any file */
  add({ start, count }: ClusterRun): void {
    if (start + count > MAX_CLUSTER) {
      throw new DiskError(
        'corrupt',
        'qcow2.cluster-offset',
        'A table names a cluster beyond any file',
      );
    }
    this.#end = Math.max(this.#end, start + count);
    for (let cluster = start; cluster < start + count; cluster++) {
      const slot = cluster % PAGE_CLUSTERS;
      const page = this.#page((cluster - slot) / PAGE_CLUSTERS);
      page[slot]! += 1;
    }
  }

  #page(index: number): Uint32Array {
    const present = this.#pages.get(index);
    if (present !== undefined) return present;
    if ((this.#pages.size + 1) * PAGE_BYTES > this.#maxBytes) {
      throw new DiskError(
        'limit',
        'qcow2.too-many-clusters',
        `Counting the clusters of the image takes more than ${this.#maxBytes} bytes`,
        { hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
      );
    }
    const page = new Uint32Array(PAGE_CLUSTERS);
    this.#pages.set(index, page);
    return page;
  }

  get(clusterIndex: number): number {
    const slot = clusterIndex % PAGE_CLUSTERS;
    return this.#pages.get((clusterIndex - slot) / PAGE_CLUSTERS)?.[slot] ?? 0;
  }

  /** Indexes of the refcount blocks that count what is referred to, in order. */
  blocks(clustersPerBlock: number): number[] {
    const blocks = new Set<number>();
    for (const [index, page] of this.#pages) {
      for (const [slot, count] of page.entries()) {
        if (count > 0) blocks.add(Math.floor((index * PAGE_CLUSTERS + slot) / clustersPerBlock));
      }
    }
    return [...blocks].toSorted((a, b) => a - b);
  }
}
