/**
 * Which host clusters are the bitmaps' own. What an image says of them may be wrong, and a cluster
 * that is given back although something else uses it would be overwritten some day. Those count as
 * a bitmap's own that lie where nothing else is known to be, and that refcounts call used.
 */
import { countUpTo, divideUp } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { ImageMetadata } from '../metadata.ts';
import type { RefcountBlock } from '../refcounts/refcount-block.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import type { DirectoryPlace } from './bitmap-directory.ts';
import type { BitmapTable } from './bitmap-table.ts';

export class ClusterOwnership {
  readonly #metadata: ImageMetadata;
  readonly #directory: ClusterRun;
  /** The refcount block that was looked at last. */
  #block: { readonly index: number; readonly block: RefcountBlock | undefined } | undefined;

  constructor(metadata: ImageMetadata, { offset, lengthBytes }: DirectoryPlace) {
    const { clusterBytes } = metadata.header;
    this.#metadata = metadata;
    this.#directory = { start: offset / clusterBytes, count: divideUp(lengthBytes, clusterBytes) };
  }

  /** Whether the directory lies where nothing else is. */
  *ownsDirectory(): Step<boolean> {
    const { start, count } = this.#directory;
    if (this.#metadata.map.find(start, start + count) !== undefined) return false;
    for (let cluster = start; cluster < start + count; cluster++) {
      if (!(yield* this.#isUsed(cluster))) return false;
    }
    return true;
  }

  /**
   * Says of each bitmap whether its clusters are its own: neither in the directory, nor in other
   * metadata, nor named twice by bitmaps, nor free.
   */
  *owned(tables: readonly BitmapTable[]): Step<boolean[]> {
    const { clusterBytes } = this.#metadata.header;
    const foreign = yield* this.#findForeign(sortedClusters(tables, clusterBytes));
    return tables.map((table) => {
      let own = true;
      table.visitClusters(clusterBytes, (cluster) => {
        if (includes(foreign, cluster)) own = false;
      });
      return own;
    });
  }

  /** Those of the clusters, which are in order, that cannot be a bitmap's own; in order as well. */
  *#findForeign(clusters: Float64Array): Step<Float64Array> {
    const foreign = new Float64Array(clusters.length);
    let count = 0;
    for (let at = 0; at < clusters.length; at++) {
      const cluster = clusters[at]!;
      const isNamedTwice = cluster === clusters[at - 1] || cluster === clusters[at + 1];
      if (!isNamedTwice && !this.#isMetadata(cluster) && (yield* this.#isUsed(cluster))) continue;
      foreign[count] = cluster;
      count += 1;
    }
    return foreign.subarray(0, count);
  }

  #isMetadata(cluster: number): boolean {
    const { start, count } = this.#directory;
    if (cluster >= start && cluster < start + count) return true;
    return this.#metadata.map.find(cluster, cluster + 1) !== undefined;
  }

  *#isUsed(cluster: number): Step<boolean> {
    const { refcounts } = this.#metadata;
    const index = refcounts.blockIndexOf(cluster);
    if (this.#block?.index !== index) {
      this.#block = { index, block: yield* refcounts.load(index) };
    }
    const { block } = this.#block;
    return block !== undefined && !block.isZero(cluster % refcounts.clustersPerBlock);
  }
}

/** The clusters of all tables and of all that they name. */
function sortedClusters(tables: readonly BitmapTable[], clusterBytes: number): Float64Array {
  let count = 0;
  for (const table of tables) table.visitClusters(clusterBytes, () => (count += 1));
  const clusters = new Float64Array(count);
  let at = 0;
  for (const table of tables) {
    table.visitClusters(clusterBytes, (cluster) => {
      clusters[at] = cluster;
      at += 1;
    });
  }
  return clusters.toSorted();
}

/** @param sorted in ascending order */
function includes(sorted: Float64Array, wanted: number): boolean {
  return sorted[countUpTo(sorted, wanted) - 1] === wanted;
}
