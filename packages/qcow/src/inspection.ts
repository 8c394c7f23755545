/**
 * A look at all tables of an image before it is written: no two things may share a place, or a
 * write to one would change the other, and none may be named where something new would go.
 */
import { testBit } from '@diskfile/bytes';
import { ClusterSet, type Limits, readInto, type Step, type Storage } from '@diskfile/core';
import { packedPlaceOf } from './entries.ts';
import { corrupt, hex } from './errors.ts';
import { QCOW_HEADER_BYTES, type QcowHeader } from './header.ts';

/** Of a table, read at a time. */
const CHUNK_BYTES = 64 * 1024;
const ENTRY_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

class Inspection {
  readonly #storage: Storage;
  readonly #header: QcowHeader;
  readonly #fileBytes: number;
  readonly #tables: ClusterSet;
  readonly #clusters: ClusterSet;
  /** Clusters of the file that hold compressed data. */
  readonly #packed: ClusterSet;

  constructor(storage: Storage, header: QcowHeader, limits: Limits) {
    const maxBytes = limits.maxStructureBytes;
    this.#storage = storage;
    this.#header = header;
    this.#fileBytes = storage.sizeBytes;
    this.#tables = new ClusterSet(maxBytes);
    this.#clusters = new ClusterSet(maxBytes);
    this.#packed = new ClusterSet(maxBytes);
  }

  *run(): Step<void> {
    const { l1TableOffset, l1Entries, l2TableBytes } = this.#header;
    yield* this.#walk(l1TableOffset, l1Entries * ENTRY_BYTES, (high, low, at) => {
      const offset = high * TWO_32 + low;
      const clusters = this.#useWhole(this.#tables, offset, l2TableBytes, at);
      if (this.#clusters.hasAny(clusters.first, clusters.count)) throw shared(at);
      return offset;
    });
  }

  /** @param judge says where the table lies that an entry names */
  *#walk(
    offset: number,
    lengthBytes: number,
    judge: (high: number, low: number, at: number) => number | void,
  ): Step<void> {
    for (let done = 0; done < lengthBytes; done += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, lengthBytes - done);
      const range = this.#storage.hostRangeSync?.(offset + done, length);
      // A hole names nothing.
      if (range?.data === false && range.lengthBytes >= length) continue;
      const bytes = yield* readInto(this.#storage, new Uint8Array(length), offset + done);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < length; at += ENTRY_BYTES) {
        const [high, low] = [view.getUint32(at), view.getUint32(at + 4)];
        if (high === 0 && low === 0) continue;
        const table = judge(high, low, offset + done + at);
        if (table !== undefined) yield* this.#walkL2(table);
      }
    }
  }

  #walkL2(tableOffset: number): Step<void> {
    const { clusterBytes, l2TableBytes } = this.#header;
    return this.#walk(tableOffset, l2TableBytes, (high, low, at) => {
      if (testBit(high, 31)) return this.#usePacked(high, low, at);
      const { first } = this.#useWhole(this.#clusters, high * TWO_32 + low, clusterBytes, at);
      if (this.#tables.has(first) || this.#packed.has(first)) throw shared(at);
    });
  }

  /** Marks whole clusters of the file as used for one thing. */
  #useWhole(set: ClusterSet, offset: number, lengthBytes: number, at: number) {
    const { clusterBytes } = this.#header;
    if (offset % clusterBytes !== 0 || !this.#isPlace(offset)) throw misplaced(offset, at);
    const first = offset / clusterBytes;
    const count = Math.ceil(lengthBytes / clusterBytes);
    if (set.add(first, count) > 0) throw shared(at);
    return { first, count };
  }

  #usePacked(high: number, low: number, at: number): void {
    const { clusterBits, clusterBytes } = this.#header;
    const { hostOffset, lengthBytes } = packedPlaceOf(high, low, clusterBits);
    const isWithin = hostOffset + lengthBytes <= this.#fileBytes;
    if (!isWithin || !this.#isPlace(hostOffset)) throw misplaced(hostOffset, at);
    const first = Math.floor(hostOffset / clusterBytes);
    const count =
      Math.floor((hostOffset + Math.max(0, lengthBytes - 1)) / clusterBytes) - first + 1;
    if (this.#clusters.hasAny(first, count)) throw shared(at);
    this.#packed.add(first, count);
  }

  /** Within the file, and not in the header or the L1 table. */
  #isPlace(offset: number): boolean {
    const { l1TableOffset, l1Entries } = this.#header;
    const l1End = l1TableOffset + l1Entries * ENTRY_BYTES;
    const isInL1 = offset >= l1TableOffset && offset < l1End;
    return offset >= QCOW_HEADER_BYTES && offset < this.#fileBytes && !isInL1;
  }
}

/** @throws DiskError `corrupt` for an image that cannot safely be written */
export function inspect(storage: Storage, header: QcowHeader, limits: Limits): Step<void> {
  return new Inspection(storage, header, limits).run();
}

function misplaced(offset: number, at: number): Error {
  const message = `The entry at ${hex(at)} names ${hex(offset)}, where nothing can be written`;
  return corrupt('qcow.damaged', message, at);
}

function shared(at: number): Error {
  return corrupt('qcow.damaged', `The entry at ${hex(at)} names a place that is used twice`, at);
}
