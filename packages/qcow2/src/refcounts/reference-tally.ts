/** Counts references to host clusters, in memory that grows with what is counted. */
import { DiskError } from '@diskfile/bytes';
import type { ClusterRun } from './refcounts.ts';

/** Clusters of one page: counted in a byte each until one of them is used more often. */
const PAGE_CLUSTERS = 16_384;
const NARROW_MAX = 0xff;
const WIDE_MAX = 0xffff_ffff;
/** Offsets in entries end at bit 55 and clusters are 512 bytes at least; exact in a number. */
const MAX_CLUSTER = 2 ** 47;

type Page = Uint8Array | Uint32Array;

export class ReferenceTally {
  readonly #maxBytes: number;
  readonly #pages = new Map<number, Page>();
  #bytes = 0;
  #end = 0;
  /** The page that was used last: references mostly come in order. */
  #lastIndex = -1;
  #last: Page = new Uint8Array(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Behind the last cluster that is referred to. */
  get end(): number {
    return this.#end;
  }

  /** @throws DiskError `limit` when the counts take too much memory, `corrupt` beyond any file */
  add({ start, count }: ClusterRun): void {
    this.addRun(start, count, 1);
  }

  /** Counts each cluster of a run several times. Returns the highest count among them. */
  addRun(start: number, clusters: number, times: number): number {
    const end = start + clusters;
    if (end > this.#end) this.#extend(end);
    let highest = 0;
    for (let cluster = start; cluster < end;) {
      const slot = cluster % PAGE_CLUSTERS;
      const slots = Math.min(end - cluster, PAGE_CLUSTERS - slot);
      const index = (cluster - slot) / PAGE_CLUSTERS;
      highest = Math.max(highest, this.#addWithinPage(index, slot, slot + slots, times));
      cluster += slots;
    }
    return highest;
  }

  #addWithinPage(index: number, from: number, to: number, times: number): number {
    let page = index === this.#lastIndex ? this.#last : this.#select(index);
    let highest = 0;
    for (let slot = from; slot < to; slot++) {
      const count = page[slot]! + times;
      if (count > NARROW_MAX && page.BYTES_PER_ELEMENT === 1) page = this.#widen(index, page);
      page[slot] = Math.min(count, WIDE_MAX);
      if (count > highest) highest = count;
    }
    return highest;
  }

  #extend(end: number): void {
    if (end <= MAX_CLUSTER) {
      this.#end = end;
      return;
    }
    throw new DiskError(
      'corrupt',
      'qcow2.cluster-offset',
      'A table names a cluster beyond any file',
    );
  }

  #select(index: number): Page {
    const page = this.#pages.get(index) ?? this.#keep(index, new Uint8Array(this.#room(1)));
    this.#lastIndex = index;
    this.#last = page;
    return page;
  }

  #widen(index: number, narrow: Page): Page {
    const wide = new Uint32Array(this.#room(4));
    wide.set(narrow);
    this.#last = wide;
    return this.#keep(index, wide);
  }

  #keep(index: number, page: Page): Page {
    this.#pages.set(index, page);
    return page;
  }

  /** Makes sure of the memory for a page. Returns its length. */
  #room(bytesPerCluster: number): number {
    this.#bytes += PAGE_CLUSTERS * bytesPerCluster;
    if (this.#bytes <= this.#maxBytes) return PAGE_CLUSTERS;
    throw new DiskError(
      'limit',
      'qcow2.too-many-clusters',
      `Counting the clusters of the image takes more than ${this.#maxBytes} bytes`,
      { hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
    );
  }

  get(clusterIndex: number): number {
    const slot = clusterIndex % PAGE_CLUSTERS;
    const index = (clusterIndex - slot) / PAGE_CLUSTERS;
    if (index === this.#lastIndex) return this.#last[slot]!;
    const page = this.#pages.get(index);
    if (page === undefined) return 0;
    this.#lastIndex = index;
    this.#last = page;
    return page[slot]!;
  }

  /** Fills `counts` with those of the clusters from `start` on. */
  copyCounts(start: number, counts: Uint32Array): void {
    for (let done = 0; done < counts.length;) {
      const slot = (start + done) % PAGE_CLUSTERS;
      const slots = Math.min(counts.length - done, PAGE_CLUSTERS - slot);
      const page = this.#pages.get((start + done - slot) / PAGE_CLUSTERS);
      if (page === undefined) counts.fill(0, done, done + slots);
      else counts.set(page.subarray(slot, slot + slots), done);
      done += slots;
    }
  }

  /** Whether no cluster from `start` to before `end` can be referred to: a quick first look. */
  isBlank(start: number, end: number): boolean {
    if (start >= this.#end) return true;
    const last = Math.floor((end - 1) / PAGE_CLUSTERS);
    for (let index = Math.floor(start / PAGE_CLUSTERS); index <= last; index++) {
      if (this.#pages.has(index)) return false;
    }
    return true;
  }

  /** Runs that hold all clusters that are referred to, and others, in order. */
  runs(): ClusterRun[] {
    const indexes = [...this.#pages.keys()].toSorted((a, b) => a - b);
    return indexes.map((index) => ({ start: index * PAGE_CLUSTERS, count: PAGE_CLUSTERS }));
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
