/** Writes disks whose blocks lie where a {@link WritableBlockTable} says. New blocks only append. */
import { alignDown, DiskError } from '@diskfile/bytes';
import type { Extent } from '../engine/extent.ts';
import type { Allocation, ImageWriter } from '../format/image-writer.ts';
import type { Step } from '../step.ts';
import { announce, announceFlush, punchHole, type WritableStorage } from '../storage.ts';
import { BLOCK, lookupBlocks, type WritableBlockTable } from './block-table.ts';

/** New blocks that one allocation takes at most, in bytes, unless the format knows better. */
const MAX_ALLOCATION_BYTES = 16 * 1024 * 1024;

export interface BlockWriterOptions {
  /** Whether blocks that are not there let an image below be seen; may change. */
  readonly hasBacking: boolean;
  /** Whether there is one all the same that the image does not name. */
  readonly hasBelow?: boolean | undefined;
  /** New blocks that one allocation takes at most, in bytes: what keeps placing as others do. */
  readonly maxAllocationBytes?: number;
  /** Whether whole blocks of zeros take the place of data, which nothing names from then on. */
  readonly linksZerosOverData?: boolean;
}

export class BlockWriter implements ImageWriter {
  readonly unitBytes: number;
  readonly #table: WritableBlockTable;
  readonly zeroesInPlace = true;
  readonly #options: BlockWriterOptions;
  readonly #openedWithBacking: boolean;

  constructor(table: WritableBlockTable, options: BlockWriterOptions) {
    this.unitBytes = table.blockBytes;
    this.#table = table;
    this.#options = options;
    this.#openedWithBacking = options.hasBelow === true || options.hasBacking;
  }

  /** What an opened disk reads stays below it even when its image has come to name no other. */
  get #hasBacking(): boolean {
    return this.#openedWithBacking || this.#options.hasBacking;
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    if (!lookupBlocks(this.#table, guestOffset, lengthBytes, extent)) return false;
    if (extent.kind !== 'data') extent.setBacking(extent.lengthBytes);
    return true;
  }

  *allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    const table = this.#table;
    const { blockBytes } = table;
    const first = Math.floor(guestOffset / blockBytes);
    const end = Math.ceil((guestOffset + lengthBytes) / blockBytes);
    const { maxAllocationBytes = MAX_ALLOCATION_BYTES } = this.#options;
    const most = Math.min(
      table.maxReservation,
      table.reservableFrom?.(first) ?? Infinity,
      Math.ceil(maxAllocationBytes / blockBytes),
    );
    let count = 1;
    while (count < most && first + count < end) {
      const place = table.find(first + count);
      // What is not known yet belongs to the next allocation.
      if (place >= 0 || place === BLOCK.unknown) break;
      count += 1;
    }
    return new NewBlocks(table, first, count, yield* table.reserve(count, first));
  }

  *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    const { blockBytes } = this.#table;
    const skip = guestOffset % blockBytes;
    const within = Math.min(blockBytes - skip, lengthBytes);
    const index = Math.floor(guestOffset / blockBytes);
    const place = yield* this.#placeOf(index);
    if (place === BLOCK.zero) return within;
    const isReplaced = place === BLOCK.none || this.#options.linksZerosOverData === true;
    if (isReplaced && within === blockBytes && this.#table.linkZero !== undefined) {
      yield* this.#table.linkZero(index);
      return within;
    }
    if (place === BLOCK.none && !this.#hasBacking) return within;
    if (place < 0 || !mayUnmap) return 0;
    const punched = yield* punchHole(this.#table.storage, place + skip, within);
    return punched ? within : 0;
  }

  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    const { blockBytes, storage } = this.#table;
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const next = Math.min(alignDown(at, blockBytes) + blockBytes, end);
      const place = yield* this.#placeOf(Math.floor(at / blockBytes));
      if (place >= 0) yield* punchQuietly(storage, place + (at % blockBytes), next - at);
      at = next;
    }
  }

  *#placeOf(blockIndex: number): Step<number> {
    let place = this.#table.find(blockIndex);
    if (place === BLOCK.unknown) {
      yield* this.#table.load(blockIndex);
      place = this.#table.find(blockIndex);
    }
    return place;
  }

  *flush(): Step<void> {
    const { storage } = this.#table;
    yield* announce(storage, 'flush_to_os');
    yield* this.#table.flush();
    yield* announceFlush(storage);
  }

  reclaim(): void {
    this.#table.reclaim?.();
  }

  *close(): Step<void> {
    yield* this.#table.close();
  }
}

/** What the host refuses costs space, no more. */
function* punchQuietly(storage: WritableStorage, offset: number, lengthBytes: number): Step<void> {
  try {
    yield* punchHole(storage, offset, lengthBytes);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

class NewBlocks implements Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly readsAsZero = true;
  readonly #table: WritableBlockTable;
  readonly #first: number;
  readonly #count: number;

  constructor(table: WritableBlockTable, first: number, count: number, hostOffset: number) {
    const { storage, blockBytes } = table;
    this.storage = storage;
    this.hostOffset = hostOffset;
    this.guestOffset = first * blockBytes;
    this.lengthBytes = count * blockBytes;
    this.#table = table;
    this.#first = first;
    this.#count = count;
  }

  *commit(): Step<void> {
    const { blockBytes } = this.#table;
    // The lookup before the allocation found them; another load may have pushed them out since.
    for (let index = this.#first; index < this.#first + this.#count; index++) {
      yield* this.#table.load(index);
      this.#table.link(index, this.hostOffset + (index - this.#first) * blockBytes);
    }
  }

  *cancel(): Step<void> {
    yield* this.#table.unreserve(this.hostOffset, this.#count);
  }
}
