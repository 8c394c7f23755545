/** Host space for compressed clusters: packed one behind another, and how they become part of the disk. */
import { alignUp, DiskError } from '@diskfile/bytes';
import {
  type CompressedWriter,
  during,
  type EncodedAllocation,
  type Step,
  truncateStorage,
  type WritableStorage,
} from '@diskfile/core';
import { type ClusterEntry, setCompressed } from '../tables/cluster-entry.ts';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { CODEC_IDS } from '../compressed-clusters.ts';
import { compressedDescriptor, compressedEnd } from '../tables/l2-entry.ts';
import type { TableSlice } from '../tables/table-cache.ts';

const SECTOR_BYTES = 512;

export class CompressedClusterWriter implements CompressedWriter {
  readonly unitBytes: number;
  readonly #tables: ClusterTables;
  readonly #prepare: () => Step<void>;

  /** @param prepare runs before each allocation; refuses it or keeps memory bounded */
  constructor(tables: ClusterTables, prepare: () => Step<void>) {
    this.unitBytes = tables.clusterBytes;
    this.#tables = tables;
    this.#prepare = prepare;
  }

  get encoderId(): string {
    return CODEC_IDS[this.#tables.metadata.header.compressionType];
  }

  /** Reaches no further than one slice of an L2 table. */
  *allocate(guestOffset: number, encodedLengths: readonly number[]): Step<EncodedAllocation> {
    yield* this.#prepare();
    const slice = yield* this.#tables.ownSlice(guestOffset);
    let most = (slice.endGuestOffset - guestOffset) / this.unitBytes;
    if (this.#tables.metadata.asQemu) {
      most = this.#countEmpty(slice, guestOffset, Math.min(most, encodedLengths.length));
      if (most === 0) throw notEmpty(guestOffset);
    }
    const allocation = new PackedClusters(this.#tables, guestOffset);
    try {
      for (const length of encodedLengths.slice(0, most)) yield* allocation.add(length);
    } catch (error) {
      yield* allocation.cancel();
      throw error;
    }
    return allocation;
  }

  /** How many clusters from a place on have none on the host: QEMU compresses into no others. */
  #countEmpty(slice: TableSlice, guestOffset: number, most: number): number {
    for (let count = 0; count < most; count++) {
      const entry = this.#tables.read(slice, guestOffset + count * this.unitBytes);
      if (entry.compressed || entry.hosted) return count;
    }
    return most;
  }

  /** The file ends with a sector, as QEMU leaves it. */
  *finish(): Step<void> {
    const { storage } = this.#tables.metadata;
    const end = alignUp(storage.sizeBytes, SECTOR_BYTES);
    if (end > storage.sizeBytes) yield* truncateStorage(storage, end);
  }
}

function notEmpty(guestOffset: number): DiskError {
  return new DiskError(
    'io',
    'qcow2.compressed-overwrite',
    'Compressed data would replace a cluster that is there already, which QEMU does not do',
    { offset: guestOffset },
  );
}

class PackedClusters implements EncodedAllocation {
  readonly storage: WritableStorage;
  readonly hostOffsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #tables: ClusterTables;
  readonly #guestOffset: number;

  constructor(tables: ClusterTables, guestOffset: number) {
    this.storage = during(tables.metadata.storage, 'write_compressed');
    this.#tables = tables;
    this.#guestOffset = guestOffset;
  }

  *add(lengthBytes: number): Step<void> {
    const { allocator, header } = this.#tables.metadata;
    const limit = compressedEnd(header.clusterBits);
    this.hostOffsets.push(yield* allocator.packed.take(lengthBytes, limit));
    this.#lengths.push(lengthBytes);
  }

  *commit(): Step<void> {
    const tables = this.#tables;
    const end = this.#guestOffset + this.hostOffsets.length * tables.clusterBytes;
    try {
      yield* tables.change(this.#guestOffset, end, (entry, at) => this.#link(entry, at));
    } catch (error) {
      yield* this.cancel();
      throw error;
    }
  }

  #link(entry: ClusterEntry, guestOffset: number): 'change' | 'release' {
    const { clusterBytes, metadata } = this.#tables;
    const index = (guestOffset - this.#guestOffset) / clusterBytes;
    const replaced = entry.compressed || entry.hosted;
    const { high, low } = compressedDescriptor(
      this.hostOffsets[index]!,
      this.#lengths[index]!,
      metadata.header.clusterBits,
    );
    setCompressed(entry, high, low);
    return replaced ? 'release' : 'change';
  }

  *cancel(): Step<void> {
    const { packed } = this.#tables.metadata.allocator;
    while (this.hostOffsets.length > 0) {
      yield* packed.release(this.hostOffsets.pop()!, this.#lengths.pop()!);
    }
  }
}
