/** Writing a VMDK disk: each request goes to the extent that holds it. */
import {
  type Allocation,
  type CompressedWriter,
  type Extent,
  flushStorage,
  type ImageWriter,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { alignUp, type DiskError } from '@diskfile/bytes';
import type { ExtentList, PlacedExtent } from './extent-list.ts';
import { SECTOR_BYTES } from './structs.ts';

/** Larger units exist nowhere; a disk without extents has none. */
const MAX_UNIT_BYTES = 32 * 1024 * 1024;

/** Where the descriptor has its CID. */
export interface CidPlace {
  readonly storage: WritableStorage;
  readonly offset: number;
  /** How many digits there are, eight at most. */
  readonly digits: number;
}

export class VmdkWriter implements ImageWriter {
  readonly unitBytes: number;
  readonly zeroesInPlace = true;
  readonly compression?: CompressedWriter;
  /** Why nothing new can lie over the parent: whole grains could, but QEMU refuses those as well. */
  belowFault: DiskError | undefined;
  readonly #extents: ExtentList;
  readonly #cid: CidPlace;
  /** Set once content has changed that the CID in the file still stands for. */
  #cidIsOld = false;
  #cidIsNew = false;

  constructor(extents: ExtentList, cid: CidPlace) {
    this.#extents = extents;
    this.#cid = cid;
    this.unitBytes = Math.min(
      ...extents.placed.map(({ source }) => source.writer!.unitBytes),
      MAX_UNIT_BYTES,
    );
    const [only, ...others] = extents.placed;
    const compression = others.length === 0 ? only?.source.writer?.compression : undefined;
    if (compression !== undefined) this.compression = this.#renewing(compression);
  }

  #renewing(inner: CompressedWriter): CompressedWriter {
    return {
      ...inner,
      allocate: (guestOffset, hostLengths) => {
        if (this.belowFault !== undefined) throw this.belowFault;
        this.#cidIsOld = true;
        return inner.allocate(guestOffset, hostLengths);
      },
    };
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    this.#cidIsOld = true;
    const { source, start, end } = this.#extents.at(guestOffset);
    const within = Math.min(lengthBytes, end - guestOffset);
    return source.writer!.lookupWritable(guestOffset - start, within, extent);
  }

  *allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    if (this.belowFault !== undefined) throw this.belowFault;
    const placed = this.#extents.at(guestOffset);
    const within = Math.min(lengthBytes, placed.end - guestOffset);
    const inner = yield* placed.source.writer!.allocate(guestOffset - placed.start, within);
    return new PlacedAllocation(inner, placed);
  }

  *writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    this.#cidIsOld = true;
    const { source, start, end } = this.#extents.at(guestOffset);
    const within = Math.min(lengthBytes, end - guestOffset);
    return yield* source.writer!.writeZeroes(guestOffset - start, within, mayUnmap);
  }

  *discard(guestOffset: number, lengthBytes: number): Step<void> {
    this.#cidIsOld = true;
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const placed = this.#extents.at(at);
      const stop = Math.min(end, placed.end);
      yield* placed.source.writer!.discard(at - placed.start, stop - at);
      at = stop;
    }
  }

  *flush(): Step<void> {
    // Overlays of the disk must not take it for what they were made over, once it has changed.
    if (this.#cidIsOld && !this.#cidIsNew) yield* this.#renew();
    for (const { source } of this.#extents.placed) yield* source.writer!.flush();
  }

  *#renew(): Step<void> {
    const { storage, offset, digits } = this.#cid;
    const random = globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!;
    // All ones stand for no image at all.
    const cid = (random % (16 ** digits - 1)).toString(16).padStart(digits, '0');
    yield* writeBytes(storage, new TextEncoder().encode(cid), offset);
    // QEMU writes the descriptor's sectors, so that a file of its own ends with the last of them.
    const sectorsEnd = alignUp(storage.sizeBytes, SECTOR_BYTES);
    if (storage.sizeBytes < sectorsEnd) yield* truncateStorage(storage, sectorsEnd);
    yield* flushStorage(storage);
    this.#cidIsNew = true;
  }

  reclaim(): void {}

  *close(): Step<void> {
    for (const { source } of this.#extents.placed) yield* source.writer!.close();
  }
}

/** An allocation of one extent, in offsets of the disk. */
class PlacedAllocation implements Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly guestOffset: number;
  readonly lengthBytes: number;
  readonly readsAsZero: boolean;
  readonly #inner: Allocation;

  constructor(inner: Allocation, { start, end }: PlacedExtent) {
    this.storage = inner.storage;
    this.hostOffset = inner.hostOffset;
    this.guestOffset = inner.guestOffset + start;
    // What is over in the last grain of an extent is not the next one's.
    this.lengthBytes = Math.min(inner.lengthBytes, end - this.guestOffset);
    this.readsAsZero = inner.readsAsZero;
    this.#inner = inner;
  }

  commit(): Step<void> {
    return this.#inner.commit();
  }

  cancel(): Step<void> {
    return this.#inner.cancel();
  }
}
