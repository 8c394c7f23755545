/**
 * Changes the width of all refcounts. New refcount blocks and a new table are written beside those
 * that there are; one write of the header's first sector, which has the width and the place of the
 * table, makes them count.
 */
import { DiskError, divideUp, writeU64be } from '@diskfile/bytes';
import { flushStorage, type Step, writeBytes } from '@diskfile/core';
import { hex } from '../errors.ts';
import type { HeaderContent } from '../header/header-content.ts';
import { MAX_REFCOUNT_TABLE_BYTES } from '../header/header-places.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';
import { type RefcountWidth, refcountWidth } from '../refcounts/refcount-width.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';

const ENTRY_BYTES = 8;

/** @throws DiskError `invalid-argument` when a count does not fit; nothing has changed then */
export function* changeRefcountWidth(
  metadata: ImageMetadata,
  writer: MetadataWriter,
  bits: number,
): Step<void> {
  if (bits === metadata.header.refcountBits) return;
  const conversion = new RefcountConversion(metadata, bits);
  try {
    yield* conversion.allocate();
    // The counts of now include the new tables, and none changes any more.
    yield* writer.finish();
    yield* conversion.write();
  } catch (error) {
    // They are counted down by the next flush, when the header is sure to name none of them.
    for (const run of conversion.taken) metadata.allocator.freed.unlink(run);
    throw error;
  }
  conversion.finish();
}

class RefcountConversion {
  /** Clusters of the new tables. */
  readonly taken: ClusterRun[] = [];
  readonly #metadata: ImageMetadata;
  readonly #width: RefcountWidth;
  readonly #clustersPerBlock: number;
  /** Cluster of each new block by its index. */
  readonly #blocks = new Map<number, number>();
  #table: ClusterRun = { start: 0, count: 0 };
  #tableBytes = new Uint8Array(0);

  constructor(metadata: ImageMetadata, bits: number) {
    this.#metadata = metadata;
    this.#width = refcountWidth(bits);
    this.#clustersPerBlock = (metadata.header.clusterBytes * 8) / bits;
  }

  /** Takes clusters until there are blocks for all clusters in use, the new ones among them. */
  *allocate(): Step<void> {
    for (;;) {
      const needed = yield* this.#neededBlocks();
      const missing = needed.filter((index) => !this.#blocks.has(index));
      const tableBytes = ((needed.at(-1) ?? 0) + 1) * ENTRY_BYTES;
      if (tableBytes > MAX_REFCOUNT_TABLE_BYTES) throw this.#tableTooLarge();
      const tableClusters = divideUp(tableBytes, this.#metadata.header.clusterBytes);
      if (missing.length === 0 && tableClusters <= this.#table.count) return;
      for (const index of missing) this.#blocks.set(index, (yield* this.#take(1)).start);
      if (tableClusters > this.#table.count) yield* this.#takeTable(tableClusters);
    }
  }

  *#take(count: number): Step<ClusterRun> {
    const run = { start: yield* this.#metadata.allocator.allocate(count), count };
    this.taken.push(run);
    return run;
  }

  *#takeTable(clusters: number): Step<void> {
    const shorter = this.taken.indexOf(this.#table);
    if (shorter !== -1) {
      this.taken.splice(shorter, 1);
      this.#metadata.allocator.freed.unlink(this.#table);
    }
    this.#table = yield* this.#take(clusters);
  }

  /** Indexes of the new blocks that count anything, in order. */
  *#neededBlocks(): Step<number[]> {
    const { refcounts } = this.#metadata;
    const needed: number[] = [];
    for (let index = 0; index < refcounts.table.capacity; index++) {
      const block = yield* refcounts.load(index);
      if (block === undefined) continue;
      const first = index * refcounts.clustersPerBlock;
      for (let slot = 0; slot < refcounts.clustersPerBlock; slot++) {
        if (block.isZero(slot)) continue;
        const count = block.get(slot);
        if (count > this.#width.max) throw this.#doesNotFit(first + slot, count);
        const at = Math.floor((first + slot) / this.#clustersPerBlock);
        if (needed.at(-1) !== at) needed.push(at);
      }
    }
    return needed;
  }

  /** Writes the new tables, and makes the header name them. */
  *write(): Step<void> {
    const { storage, headerWriter, header } = this.#metadata;
    const { clusterBytes } = header;
    this.#tableBytes = new Uint8Array(this.#table.count * clusterBytes);
    for (const [index, cluster] of this.#blocks) {
      yield* writeBytes(storage, yield* this.#convert(index), cluster * clusterBytes);
      writeU64be(this.#tableBytes, index * ENTRY_BYTES, cluster * clusterBytes);
    }
    yield* writeBytes(storage, this.#tableBytes, this.#table.start * clusterBytes);
    yield* flushStorage(storage);
    yield* headerWriter.rewrite((content) => this.#newHeader(content));
  }

  /** The content of a new block. */
  *#convert(index: number): Step<Uint8Array> {
    const { refcounts, header } = this.#metadata;
    const bytes = new Uint8Array(header.clusterBytes);
    const start = index * this.#clustersPerBlock;
    const end = start + this.#clustersPerBlock;
    for (let cluster = start; cluster < end;) {
      const part = refcounts.withinBlock({ start: cluster, count: end - cluster });
      const block = yield* refcounts.load(refcounts.blockIndexOf(cluster));
      const firstSlot = cluster % refcounts.clustersPerBlock;
      const slots = block === undefined ? 0 : part.count;
      for (let at = 0; at < slots; at++) {
        const count = block!.get(firstSlot + at);
        if (count > 0) this.#width.set(bytes, cluster - start + at, count);
      }
      cluster += part.count;
    }
    return bytes;
  }

  #newHeader(content: HeaderContent): HeaderContent {
    const { fields, versionFields } = content;
    const { clusterBytes } = this.#metadata.header;
    if (versionFields === undefined) throw new Error('assertion failed: refcounts of version 2');
    return {
      ...content,
      fields: {
        ...fields,
        refcount_table_offset: this.#table.start * clusterBytes,
        refcount_table_clusters: this.#table.count,
      },
      versionFields: { ...versionFields, refcount_order: Math.log2(this.#width.bits) },
    };
  }

  /** Goes on with the new tables. What they replace they still count, and give up now. */
  finish(): void {
    const { refcounts, allocator, map, header } = this.#metadata;
    const { clusterBytes } = header;
    const { table } = refcounts;
    const old: ClusterRun[] = [
      { start: table.hostOffset / clusterBytes, count: table.bytes.length / clusterBytes },
    ];
    for (let index = 0; index < table.capacity; index++) {
      const hostOffset = table.blockOffset(index, clusterBytes);
      if (hostOffset !== 0) old.push({ start: hostOffset / clusterBytes, count: 1 });
    }
    for (const { start } of old.slice(1)) map.removeCluster(start);
    map.removeRegions('refcount table');
    const hostOffset = this.#table.start * clusterBytes;
    refcounts.convert(hostOffset, this.#tableBytes, this.#width.bits);
    map.addRegion('refcount table', hostOffset, this.#tableBytes.length);
    for (const cluster of this.#blocks.values()) map.addCluster('refcount block', cluster);
    for (const run of old) allocator.freed.unlink(run);
  }

  #doesNotFit(clusterIndex: number, count: number): DiskError {
    const hostOffset = clusterIndex * this.#metadata.header.clusterBytes;
    return new DiskError(
      'invalid-argument',
      'qcow2.amend.refcount_bits',
      `The refcount of the cluster at ${hex(hostOffset)} is ${count}, which does not fit into ${this.#width.bits} bits`,
      { op: 'amend', offset: hostOffset },
    );
  }

  #tableTooLarge(): DiskError {
    return new DiskError(
      'limit',
      'qcow2.image-too-large',
      `With refcounts of ${this.#width.bits} bits the refcount table would be too large`,
      { op: 'amend', hint: 'Choose a smaller refcount_bits.' },
    );
  }
}
