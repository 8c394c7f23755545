/**
 * The bitmaps of an image that is open for writing.
 *
 * A bitmap in which writes are recorded is held in memory, and the file has it marked as in use
 * from before the first write to after the last. The engine marks bits without waiting for the
 * host, so opening is the latest moment at which the mark surely comes first. All other bitmaps are
 * in the file alone, sound at every moment. Closing writes what was recorded and takes the marks
 * away. So after a crash a bitmap without the mark is right, and one with it says nothing.
 */
import { DiskError, powerOfTwo } from '@diskfile/bytes';
import type {
  BitmapInfo,
  BitmapReader,
  DirtyGuestRange,
  DiskWarning,
  Limits,
  Step,
} from '@diskfile/core';
import { corrupt } from '../errors.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { BitmapListing } from './bitmap-directory.ts';
import { describeBitmap } from './bitmap-entry.ts';
import { BitmapMemory } from './bitmap-memory.ts';
import { BitmapStore, type HeaderChange, withoutBitmaps } from './bitmap-store.ts';
import type { BitmapTable } from './bitmap-table.ts';
import { DirtyBits } from './dirty-bits.ts';
import { checkUsable, type LiveBitmap, openEntry, withTable } from './live-bitmap.ts';
import { BitmapLoader } from './load-bitmaps.ts';
import type { NewClusters } from './new-clusters.ts';
import { bitmapNotFound, bitmapTooLarge } from './refusals.ts';
import { StoredContent } from './stored-content.ts';

export class LiveBitmaps implements BitmapReader {
  readonly metadata: ImageMetadata;
  readonly store: BitmapStore;
  readonly #memory: BitmapMemory;
  #bitmaps: readonly LiveBitmap[] = [];
  /** Whether a directory has been written since the image was opened. */
  #hasChanged = false;
  /** The bits in which writes are recorded. */
  #recording: readonly DirtyBits[] = [];
  /** The bitmap that was read last from the file. */
  #lastRead: { readonly table: BitmapTable; readonly content: StoredContent } | undefined;

  /** @param makeDurable makes refcounts, and all that was written before, durable */
  constructor(metadata: ImageMetadata, makeDurable: () => Step<void>, limits: Limits) {
    this.metadata = metadata;
    this.store = new BitmapStore(metadata, makeDurable);
    this.#memory = new BitmapMemory(limits.maxStructureBytes);
  }

  /** Takes over what the image has. From then on writes are recorded. */
  *open(
    { state, place, entries }: BitmapListing,
    warn: (warning: DiskWarning) => void,
  ): Step<void> {
    if (state === 'none') return;
    const loader = new BitmapLoader(this.metadata, this.#memory, warn);
    const bitmaps = place && (yield* loader.load(place, entries));
    if (bitmaps === undefined) {
      if (place !== undefined) warn(OVERLAPPING);
      // Their clusters are leaked: what they are used for by now cannot be told.
      return yield* this.metadata.headerWriter.rewrite(withoutBitmaps);
    }
    this.store.setPlace(place);
    const marked = bitmaps.map(openEntry);
    // A bitmap that was dropped must not name its clusters any longer: they may become anything.
    if (marked.length < entries.length) {
      yield* this.store.replace(function* () {
        return marked;
      });
    } else if (marked.some(({ flags }, at) => flags !== entries[at]!.flags)) {
      yield* this.store.rewriteFlags(marked);
    }
    this.#set(bitmaps);
  }

  #set(bitmaps: readonly LiveBitmap[]): void {
    this.#bitmaps = bitmaps;
    this.#recording = bitmaps.flatMap(({ bits }) => bits ?? []);
  }

  get all(): readonly LiveBitmap[] {
    return this.#bitmaps;
  }

  list(): BitmapInfo[] {
    return this.#bitmaps.map(({ entry }) => describeBitmap(entry));
  }

  /** @throws DiskError `not-found` */
  find(name: string): LiveBitmap {
    const found = this.#bitmaps.find(({ entry }) => entry.name === name);
    if (found === undefined) throw bitmapNotFound(name);
    return found;
  }

  /** @throws DiskError `not-found`, or where nothing can be learned from the bitmap */
  findUsable(name: string): LiveBitmap {
    const found = this.find(name);
    checkUsable(found);
    return found;
  }

  /** See {@link BitmapWriter.markWritten}. */
  mark(guestOffset: number, lengthBytes: number): void {
    for (const bits of this.#recording) bits.mark(guestOffset, lengthBytes);
  }

  *nextDirty(name: string, guestOffset: number, end: number): Step<DirtyGuestRange | undefined> {
    const bitmap = this.findUsable(name);
    if (bitmap.bits !== undefined) return bitmap.bits.nextDirty(guestOffset, end);
    return yield* this.#contentOf(bitmap).nextDirty(guestOffset, end);
  }

  #contentOf({ table, entry }: LiveBitmap): StoredContent {
    if (this.#lastRead !== undefined && this.#lastRead.table === table) {
      return this.#lastRead.content;
    }
    const { clusterBytes, sizeBytes } = this.metadata.header;
    const geometry = { clusterBytes, sizeBytes, granularityBits: entry.granularityBits };
    const content = new StoredContent(this.metadata.storage, table, geometry);
    this.#lastRead = { table, content };
    return content;
  }

  /**
   * Bits that are all clear. The caller disposes of them unless they become part of a bitmap.
   * @throws DiskError `limit`
   */
  newBits({ name, granularityBits }: LiveBitmap['entry']): DirtyBits {
    const { sizeBytes } = this.metadata.header;
    const bits = DirtyBits.create(sizeBytes, powerOfTwo(granularityBits), this.#memory);
    if (bits === undefined) throw bitmapTooLarge(name);
    return bits;
  }

  /**
   * What a bitmap has in the file, exactly. The caller disposes of it.
   * @throws DiskError `limit`
   */
  *readBits(bitmap: LiveBitmap): Step<DirtyBits> {
    const bits = this.newBits(bitmap.entry);
    try {
      yield* this.#contentOf(bitmap).addTo(bits);
      if (bits.isCoarse) throw bitmapTooLarge(bitmap.entry.name);
      bits.isModified = false;
      return bits;
    } catch (error) {
      bits.dispose();
      throw error;
    }
  }

  /**
   * Replaces the bitmaps, in the file and here. When this fails they are what they were.
   * @param make writes what is new and says what there is then
   * @param change what else changes in the header, at the same instant
   * @param entryOf what the file is to say of each
   */
  *change(
    make: (clusters: NewClusters) => Step<readonly LiveBitmap[]>,
    change?: HeaderChange,
    entryOf = openEntry,
  ): Step<void> {
    if (this.metadata.headerWriter.isCorrupt) throw markedCorrupt();
    let next: readonly LiveBitmap[] = [];
    yield* this.store.replace(function* (clusters) {
      next = yield* make(clusters);
      return next.map(entryOf);
    }, change);
    const kept = new Set(next.map(({ table }) => table));
    for (const { table } of this.#bitmaps) if (!kept.has(table)) this.store.unlink(table);
    const recording = new Set(next.map(({ bits }) => bits));
    for (const { bits } of this.#bitmaps) if (!recording.has(bits)) bits?.dispose();
    this.#set(next);
    this.#hasChanged = true;
  }

  /** As {@link change} for one of the bitmaps. */
  *changeOne(bitmap: LiveBitmap, make: (clusters: NewClusters) => Step<LiveBitmap>): Step<void> {
    const bitmaps = this.#bitmaps;
    const kept = (each: LiveBitmap, clusters: NewClusters) => this.kept(each, clusters);
    yield* this.change(function* (clusters) {
      const next: LiveBitmap[] = [];
      for (const each of bitmaps) {
        const changed = each === bitmap ? yield* make(clusters) : each;
        next.push(changed.table === each.table ? yield* kept(changed, clusters) : changed);
      }
      return next;
    });
  }

  /** QEMU does this at once, and writes what is left when it closes the image. */
  *takeOut(bitmap: LiveBitmap): Step<void> {
    const others = this.#bitmaps.filter((each) => each !== bitmap);
    const hadChanged = this.#hasChanged;
    yield* this.change(function* () {
      return others;
    });
    this.#hasChanged = hadChanged;
  }

  /**
   * A bitmap that stays what it is while others change. QEMU writes all bitmaps when it closes an
   * image, changed or not, so in its ways this one comes to lie in new clusters too.
   */
  *kept(bitmap: LiveBitmap, clusters: NewClusters): Step<LiveBitmap> {
    if (!this.#writesAll || bitmap.unusable !== undefined) return bitmap;
    let bits: DirtyBits | undefined;
    try {
      bits = bitmap.bits ?? (yield* this.readBits(bitmap));
      // What memory has no room for counts as dirty there, while the file knows better.
      if (bits.isCoarse) return bitmap;
      return withTable(bitmap, yield* this.store.writeContent(bits, clusters));
    } catch (error) {
      if (bits !== undefined || !(error instanceof DiskError)) throw error;
      return bitmap;
    } finally {
      if (bits !== bitmap.bits) bits?.dispose();
    }
  }

  /** Once only: there is one moment at which QEMU does it. */
  get #writesAll(): boolean {
    return this.metadata.asQemu && !this.#hasChanged;
  }

  /** Writes what was recorded. @returns whether clusters were given up */
  *close(): Step<boolean> {
    const isMarked = (bitmap: LiveBitmap): boolean =>
      openEntry(bitmap).flags !== bitmap.entry.flags;
    if (!this.#bitmaps.some(isMarked) || this.metadata.headerWriter.isCorrupt) return false;
    const isModified = this.#bitmaps.some(({ bits }) => bits?.isModified === true);
    if (!isModified && !this.#writesAll) {
      yield* this.store.rewriteFlags(this.#bitmaps.map(({ entry }) => entry));
      return false;
    }
    const { store } = this;
    const bitmaps = this.#bitmaps;
    const kept = (bitmap: LiveBitmap, clusters: NewClusters) => this.kept(bitmap, clusters);
    const settle = function* (clusters: NewClusters): Step<LiveBitmap[]> {
      const closed: LiveBitmap[] = [];
      for (const bitmap of bitmaps) {
        const written = yield* kept(bitmap, clusters);
        closed.push(
          written === bitmap
            ? yield* store.settled(bitmap, clusters)
            : { ...written, bits: undefined },
        );
      }
      return closed;
    };
    yield* this.change(settle, undefined, ({ entry }) => entry);
    return true;
  }
}

function markedCorrupt(): Error {
  return corrupt('qcow2.marked-corrupt', 'The image was marked as corrupt');
}

const OVERLAPPING: DiskWarning = {
  detail: 'qcow2.bitmaps-damaged',
  message: 'The bitmap directory lies where something else is; no bitmaps are listed',
};
