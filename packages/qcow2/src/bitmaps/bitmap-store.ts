/**
 * Brings bitmaps to the image file. Everything new goes to new clusters, and is durable before the
 * header, in one write of one sector, turns to it; what it replaces is given back after that. So
 * there is never a moment at which the file holds half of a change.
 */
import { divideUp } from '@diskfile/bytes';
import { flushStorage, type Step, writeBytes } from '@diskfile/core';
import { AUTOCLEAR, featureBits } from '../header/features.ts';
import type { HeaderContent } from '../header/header-content.ts';
import { EXTENSION_TYPE } from '../header/header-extensions.ts';
import { withExtension, withFeatures } from '../header/header-forms.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ClusterRun } from '../refcounts/refcounts.ts';
import { bitmapsExtension } from '../structs.ts';
import { type DirectoryPlace, MAX_BITMAPS, MAX_DIRECTORY_BYTES } from './bitmap-directory.ts';
import { type BitmapEntry, encodeDirectory } from './bitmap-entry.ts';
import { ALL_ONES, ALL_ZEROS, BitmapTable, TABLE_ENTRY_BYTES } from './bitmap-table.ts';
import type { DirtyBits } from './dirty-bits.ts';
import { type LiveBitmap, withTable } from './live-bitmap.ts';
import { NewClusters } from './new-clusters.ts';
import { tooManyBitmaps } from './refusals.ts';

const WRITE_BYTES = 1024 * 1024;

/** What makes another header of one. */
export type HeaderChange = (content: HeaderContent) => HeaderContent;

export class BitmapStore {
  readonly #metadata: ImageMetadata;
  /** Makes refcounts, and all that was written before, durable. */
  readonly #makeDurable: () => Step<void>;
  /** Where the directory lies that the header names. */
  #place: DirectoryPlace | undefined;

  constructor(metadata: ImageMetadata, makeDurable: () => Step<void>) {
    this.#metadata = metadata;
    this.#makeDurable = makeDurable;
  }

  /** The directory that the header names lies there, and nothing else does. */
  setPlace(place: DirectoryPlace | undefined): void {
    const { map } = this.#metadata;
    map.removeRegions('bitmap directory');
    if (place !== undefined) map.addRegion('bitmap directory', place.offset, place.lengthBytes);
    this.#place = place;
  }

  /**
   * Lets the header name another directory.
   * @param make writes what is new and says what the directory holds
   * @param change what else changes in the header, at the same instant
   */
  *replace(
    make: (clusters: NewClusters) => Step<readonly BitmapEntry[]>,
    change: HeaderChange = (content) => content,
  ): Step<void> {
    const { allocator, headerWriter } = this.#metadata;
    yield* this.#metadata.settle();
    const clusters = new NewClusters(allocator);
    let mayBeNamed = false;
    try {
      const entries = yield* make(clusters);
      const place = yield* this.#writeDirectory(entries, clusters);
      yield* this.#makeDurable();
      mayBeNamed = true;
      yield* headerWriter.rewrite((content) =>
        withDirectory(change(content), entries.length, place),
      );
      if (this.#place !== undefined) allocator.freed.unlink(this.#runOf(this.#place));
      this.setPlace(place);
    } catch (error) {
      if (mayBeNamed) clusters.unlink();
      else yield* clusters.release();
      throw error;
    }
  }

  #runOf({ offset, lengthBytes }: DirectoryPlace): ClusterRun {
    const { clusterBytes } = this.#metadata.header;
    return { start: offset / clusterBytes, count: divideUp(lengthBytes, clusterBytes) };
  }

  *#writeDirectory(
    entries: readonly BitmapEntry[],
    clusters: NewClusters,
  ): Step<DirectoryPlace | undefined> {
    if (entries.length === 0) return undefined;
    const bytes = encodeDirectory(entries);
    if (entries.length > MAX_BITMAPS || bytes.length > MAX_DIRECTORY_BYTES) throw tooManyBitmaps();
    const offset = yield* this.#writeNew(bytes, clusters);
    return { offset, lengthBytes: bytes.length };
  }

  /** Writes to new clusters. @returns where */
  *#writeNew(bytes: Uint8Array, clusters: NewClusters): Step<number> {
    const { header, storage } = this.#metadata;
    const { clusterBytes } = header;
    const start = yield* clusters.allocate(divideUp(bytes.length, clusterBytes));
    yield* writeBytes(storage, bytes, start * clusterBytes);
    return start * clusterBytes;
  }

  /**
   * Writes the directory where it is, with other flags. Each flag word lies within one sector, so
   * every bitmap has its old flags or its new ones, whatever happens. Durable when it returns.
   */
  *rewriteFlags(entries: readonly BitmapEntry[]): Step<void> {
    const { storage } = this.#metadata;
    yield* writeBytes(storage, encodeDirectory(entries), this.#place!.offset);
    yield* flushStorage(storage);
  }

  /** Writes bits to new clusters. */
  *writeContent(bits: DirtyBits, clusters: NewClusters): Step<BitmapTable> {
    const { clusterBytes } = this.#metadata.header;
    const entries = divideUp(bits.lengthBytes, clusterBytes);
    const bytes = new Uint8Array(entries * TABLE_ENTRY_BYTES);
    const draft = new BitmapTable({ offset: 0, entries }, bytes);
    const mixed: number[] = [];
    for (let index = 0; index < entries; index++) {
      const content = bits.contentOf(index * clusterBytes, (index + 1) * clusterBytes);
      if (content === 'mixed') mixed.push(index);
      draft.setCluster(index, content === 'ones' ? ALL_ONES : ALL_ZEROS);
    }
    if (mixed.length > 0) yield* this.#writeBits(bits, mixed, draft, clusters);
    return new BitmapTable({ offset: yield* this.#writeNew(bytes, clusters), entries }, bytes);
  }

  /** A bitmap with all that it holds in the file, and with writes no longer recorded in it. */
  *settled(bitmap: LiveBitmap, clusters: NewClusters): Step<LiveBitmap> {
    const { bits } = bitmap;
    if (bits === undefined) return bitmap;
    const own = { ...bitmap, bits: undefined };
    return bits.isModified ? withTable(own, yield* this.writeContent(bits, clusters)) : own;
  }

  /** Gives up the clusters of a table and of what it names; nothing in the file does any longer. */
  unlink(table: BitmapTable): void {
    const { allocator, header } = this.#metadata;
    table.visitClusters(header.clusterBytes, (start) =>
      allocator.freed.unlink({ start, count: 1 }),
    );
  }

  /** Writes the parts of a bitmap that need a cluster, side by side. */
  *#writeBits(
    bits: DirtyBits,
    parts: readonly number[],
    table: BitmapTable,
    clusters: NewClusters,
  ): Step<void> {
    const { header, storage } = this.#metadata;
    const { clusterBytes } = header;
    const first = yield* clusters.allocate(parts.length);
    const perWrite = Math.max(1, Math.floor(WRITE_BYTES / clusterBytes));
    const buffer = new Uint8Array(Math.min(perWrite, parts.length) * clusterBytes);
    for (let done = 0; done < parts.length; done += perWrite) {
      const some = parts.slice(done, done + perWrite);
      for (const [slot, index] of some.entries()) {
        const at = slot * clusterBytes;
        bits.copyTo(buffer.subarray(at, at + clusterBytes), index * clusterBytes);
        table.setCluster(index, (first + done + slot) * clusterBytes);
      }
      const filled = buffer.subarray(0, some.length * clusterBytes);
      yield* writeBytes(storage, filled, (first + done) * clusterBytes);
    }
  }
}

/** A header that names a directory of bitmaps, or none. */
function withDirectory(
  content: HeaderContent,
  count: number,
  place: DirectoryPlace | undefined,
): HeaderContent {
  if (place === undefined) return withoutBitmaps(content);
  const extension = new Uint8Array(bitmapsExtension.spanBytes);
  bitmapsExtension.encode(
    {
      nb_bitmaps: count,
      reserved: 0,
      bitmap_directory_size: place.lengthBytes,
      bitmap_directory_offset: place.offset,
    },
    extension,
  );
  const named = withExtension(content, EXTENSION_TYPE.bitmaps, extension);
  return withFeatures(named, 'autoclear', new Set([...autoclearOf(named), AUTOCLEAR.bitmaps]));
}

/** A header that knows of no bitmaps. */
export function withoutBitmaps(content: HeaderContent): HeaderContent {
  const bare = withExtension(content, EXTENSION_TYPE.bitmaps, undefined);
  if (bare.versionFields === undefined) return bare;
  const kept = [...autoclearOf(bare)].filter((bit) => bit !== AUTOCLEAR.bitmaps);
  return withFeatures(bare, 'autoclear', new Set(kept));
}

function autoclearOf({ versionFields }: HeaderContent): ReadonlySet<number> {
  if (versionFields === undefined) return new Set();
  const { autoclear_features_high: high, autoclear_features_low: low } = versionFields;
  return featureBits(high, low);
}
