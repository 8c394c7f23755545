/** A set of cluster numbers, in memory that grows with what is in it. */
import { DiskError, setBitmapBits, testBitmapBit } from '@diskfile/bytes';

/** Clusters of one page, a bit each. */
const PAGE_CLUSTERS = 64 * 1024;
const PAGE_BYTES = PAGE_CLUSTERS / 8;

export class ClusterSet {
  readonly #maxBytes: number;
  readonly #pages = new Map<number, Uint8Array<ArrayBuffer>>();
  #size = 0;
  /** The page that was used last: clusters mostly come in order. */
  #lastIndex = -1;
  #last = new Uint8Array(0);

  /** @param maxBytes of memory that it may take */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many clusters there are in it. */
  get size(): number {
    return this.#size;
  }

  has(cluster: number): boolean {
    const page = this.#pages.get(Math.floor(cluster / PAGE_CLUSTERS));
    return page !== undefined && testBitmapBit(page, cluster % PAGE_CLUSTERS);
  }

  hasAny(start: number, count: number): boolean {
    for (let cluster = start; cluster < start + count; cluster++) {
      if (this.has(cluster)) return true;
    }
    return false;
  }

  /**
   * Adds a run of clusters. Returns how many of them were there before.
   * @throws DiskError `limit` when it takes too much memory
   */
  add(start: number, count = 1): number {
    let known = 0;
    for (let cluster = start; cluster < start + count; cluster++) {
      const slot = cluster % PAGE_CLUSTERS;
      const page = this.#page((cluster - slot) / PAGE_CLUSTERS);
      if (setBitmapBits(page, slot, slot + 1)) this.#size += 1;
      else known += 1;
    }
    return known;
  }

  #page(index: number): Uint8Array<ArrayBuffer> {
    if (index === this.#lastIndex) return this.#last;
    this.#last = this.#pages.get(index) ?? this.#newPage(index);
    this.#lastIndex = index;
    return this.#last;
  }

  #newPage(index: number): Uint8Array<ArrayBuffer> {
    if ((this.#pages.size + 1) * PAGE_BYTES > this.#maxBytes) {
      throw new DiskError(
        'limit',
        'core.too-many-clusters',
        `Keeping account of the image's clusters takes more than ${this.#maxBytes} bytes`,
        { hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
      );
    }
    const page = new Uint8Array(PAGE_BYTES);
    this.#pages.set(index, page);
    return page;
  }
}
