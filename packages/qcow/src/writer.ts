/** The writing half of an image. */
import {
  type Allocation,
  type BackingReference,
  type BackingWriter,
  BlockWriter,
  type CompressedWriter,
  type EncodedAllocation,
  type Extent,
  type Step,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { encodeBackingName } from './backing-name.ts';
import type { WritableQcowTable } from './cluster-table.ts';
import { ENCRYPTED_UNIT_BYTES, type QcowEncryption } from './encryption.ts';
import type { HeaderState } from './header-state.ts';

export interface QcowWritingParts {
  readonly storage: WritableStorage;
  readonly state: HeaderState;
  readonly table: WritableQcowTable;
  readonly encryption: QcowEncryption | undefined;
  /** See `OpenContext.hasBelow`. */
  readonly hasBelow: boolean | undefined;
}

export class QcowWriter extends BlockWriter {
  readonly backing: BackingWriter;
  readonly compression: CompressedWriter;
  readonly sectorBytes?: number;
  readonly #parts: QcowWritingParts;

  constructor(parts: QcowWritingParts) {
    super(parts.table, {
      hasBelow: parts.hasBelow,
      get hasBacking() {
        return parts.state.backing !== undefined;
      },
      // As far as one L2 table reaches, new clusters lie together and behind it.
      maxAllocationBytes: Infinity,
    });
    this.#parts = parts;
    if (parts.encryption !== undefined) this.sectorBytes = ENCRYPTED_UNIT_BYTES;
    this.compression = new PackedWriter(parts.table);
    this.backing = {
      setBacking: (backing) => this.#setBacking(backing),
      dropContent: () => parts.table.dropContent(emptyEnd(parts.state)),
    };
  }

  override lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const found = super.lookupWritable(guestOffset, lengthBytes, extent);
    if (found) this.#parts.encryption?.decrypt(extent, guestOffset);
    return found;
  }

  override *allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    const allocation = yield* super.allocate(guestOffset, lengthBytes);
    const { encryption } = this.#parts;
    return encryption === undefined ? allocation : inCipher(allocation, encryption);
  }

  /** Zeros of the host are noise once they are decrypted. */
  override writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    const isPlain = this.#parts.encryption === undefined;
    return super.writeZeroes(guestOffset, lengthBytes, mayUnmap && isPlain);
  }

  override *discard(guestOffset: number, lengthBytes: number): Step<void> {
    if (this.#parts.encryption === undefined) yield* super.discard(guestOffset, lengthBytes);
  }

  override *flush(): Step<void> {
    yield* super.flush();
    yield* this.#parts.state.settle(this.#parts.storage);
  }

  /** The name, and what was copied out of the old chain, are durable before the header names it. */
  *#setBacking(backing: BackingReference | undefined): Step<void> {
    const { storage, state, table } = this.#parts;
    if (backing === undefined) {
      yield* table.flush();
      return yield* state.setBacking(storage, undefined, undefined);
    }
    const name = encodeBackingName(backing);
    const offset = yield* table.reserveBytes(name.length);
    yield* writeBytes(storage, name, offset);
    yield* table.flush();
    yield* state.setBacking(storage, backing.name, { offset, lengthBytes: name.length });
  }
}

/** New clusters that are written in clear, and hold what that is encrypted. */
function inCipher(allocation: Allocation, encryption: QcowEncryption): Allocation {
  const { hostOffset, guestOffset, lengthBytes } = allocation;
  return {
    storage: encryption.at(hostOffset, guestOffset),
    hostOffset,
    guestOffset,
    lengthBytes,
    readsAsZero: false,
    commit: () => allocation.commit(),
    cancel: () => allocation.cancel(),
  };
}

/** Behind all that an image without clusters has. */
function emptyEnd({ header }: HeaderState): number {
  const { l1TableOffset, l1Entries, backingName } = header;
  const nameEnd = backingName === undefined ? 0 : backingName.offset + backingName.lengthBytes;
  return Math.max(l1TableOffset + l1Entries * 8, nameEnd);
}

/** Compressed clusters, one behind the other. */
class PackedWriter implements CompressedWriter {
  readonly unitBytes: number;
  readonly encoderId = 'deflate-raw';
  readonly #table: WritableQcowTable;

  constructor(table: WritableQcowTable) {
    this.unitBytes = table.blockBytes;
    this.#table = table;
  }

  /** Reaches no further than one L2 table. */
  *allocate(guestOffset: number, encodedLengths: readonly number[]): Step<EncodedAllocation> {
    const table = this.#table;
    const first = guestOffset / this.unitBytes;
    const lengths = encodedLengths.slice(0, table.reservableFrom(first));
    return new PackedClusters(table, first, lengths, yield* table.reservePacked(first, lengths));
  }
}

class PackedClusters implements EncodedAllocation {
  readonly storage: WritableStorage;
  readonly hostOffsets: readonly number[];
  readonly #table: WritableQcowTable;
  readonly #first: number;
  readonly #lengths: readonly number[];

  constructor(
    table: WritableQcowTable,
    first: number,
    lengths: readonly number[],
    hostOffsets: readonly number[],
  ) {
    this.storage = table.storage;
    this.hostOffsets = hostOffsets;
    this.#table = table;
    this.#first = first;
    this.#lengths = lengths;
  }

  *commit(): Step<void> {
    for (const [index, hostOffset] of this.hostOffsets.entries()) {
      const place = { hostOffset, lengthBytes: this.#lengths[index]! };
      yield* this.#table.linkPacked(this.#first + index, place);
    }
  }

  *cancel(): Step<void> {
    yield* this.#table.unreservePacked(this.hostOffsets, this.#lengths);
  }
}
