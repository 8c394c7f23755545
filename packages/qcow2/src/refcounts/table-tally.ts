/**
 * What L1 tables refer to, those of snapshots included: L2 tables and what these map. Each L2 table
 * is read once, however many L1 tables name it, so that the work is bounded by the file's size.
 */
import { DiskError, divideUp, maskBits } from '@diskfile/bytes';
import { type Limits, readBytes, type Step } from '@diskfile/core';
import { compressedClusters } from '../cluster-entry.ts';
import { corrupt, hex } from '../errors.ts';
import type { TableReference } from '../header.ts';
import { clusterOffset, isCompressed, OFFSET_MASK } from '../l2-entry.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { ReferenceTally } from './reference-tally.ts';

const TWO_32 = 0x1_0000_0000;
const L1_ENTRY_BYTES = 8;
/** Memory that an L2 table takes in a map, about. */
const BYTES_PER_TABLE = 64;

export class TableTally {
  readonly #metadata: ImageMetadata;
  readonly #tally: ReferenceTally;
  readonly #limits: Limits;
  /** Whole clusters of the file. */
  readonly #fileBytes: number;
  #l1Bytes = 0;
  /** How many L1 entries name each L2 table, by its host offset. */
  readonly #tables = new Map<number, number>();

  constructor(metadata: ImageMetadata, tally: ReferenceTally, limits: Limits) {
    const { storage, header } = metadata;
    this.#metadata = metadata;
    this.#tally = tally;
    this.#limits = limits;
    this.#fileBytes = divideUp(storage.sizeBytes, header.clusterBytes) * header.clusterBytes;
  }

  /** Counts an L1 table and the L2 tables that it names. */
  *addL1({ offset, entries }: TableReference): Step<void> {
    const { storage, header } = this.#metadata;
    const lengthBytes = entries * L1_ENTRY_BYTES;
    if (lengthBytes === 0) return;
    if (lengthBytes > this.#limits.maxStructureBytes) throw tooLarge(offset);
    // Each has clusters of its own, so all together are no longer than the file.
    this.#l1Bytes += lengthBytes;
    if (offset + lengthBytes > this.#fileBytes || this.#l1Bytes > this.#fileBytes) {
      throw beyondFile('L1 table', offset);
    }
    this.#addBytes(offset, lengthBytes);
    const table = asView(yield* readBytes(storage, offset, lengthBytes));
    for (let at = 0; at < lengthBytes; at += L1_ENTRY_BYTES) {
      const hostOffset = clusterOffset(table.getUint32(at), table.getUint32(at + 4));
      if (hostOffset === 0) continue;
      if (hostOffset >= this.#fileBytes || hostOffset % header.clusterBytes !== 0) {
        throw beyondFile('L2 table', hostOffset);
      }
      this.#tables.set(hostOffset, (this.#tables.get(hostOffset) ?? 0) + 1);
      if (this.#tables.size * BYTES_PER_TABLE > this.#limits.maxStructureBytes) {
        throw tooLarge(offset);
      }
    }
  }

  #addBytes(hostOffset: number, lengthBytes: number): void {
    const { clusterBytes } = this.#metadata.header;
    const start = Math.floor(hostOffset / clusterBytes);
    this.#tally.add({ start, count: divideUp(hostOffset + lengthBytes, clusterBytes) - start });
  }

  /** Counts the L2 tables of all L1 tables, and the clusters that they map. */
  *addTables(): Step<void> {
    const { storage, header } = this.#metadata;
    for (const [hostOffset, uses] of this.#tables) {
      this.#tally.addRun(hostOffset / header.clusterBytes, 1, uses);
      this.#addClusters(asView(yield* readBytes(storage, hostOffset, header.clusterBytes)), uses);
    }
  }

  #addClusters(l2: DataView, uses: number): void {
    const { header, dataFile } = this.#metadata;
    const { clusterBits, clusterBytes, extendedL2 } = header;
    const entryBytes = extendedL2 ? 16 : 8;
    for (let at = 0; at < l2.byteLength; at += entryBytes) {
      const high = l2.getUint32(at);
      if (isCompressed(high)) {
        const { start, count } = compressedClusters(l2, at, clusterBits);
        this.#tally.addRun(start, count, uses);
      } else if (dataFile === undefined) {
        const offset =
          maskBits(high, OFFSET_MASK.high) * TWO_32 +
          maskBits(l2.getUint32(at + 4), OFFSET_MASK.low);
        if (offset !== 0) this.#tally.addRun(Math.floor(offset / clusterBytes), 1, uses);
      }
    }
  }
}

function asView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The refusal of a reference that no file that was ever flushed has. */
export function beyondFile(what: string, hostOffset: number): DiskError {
  return corrupt(
    'qcow2.beyond-file',
    `The image refers to a ${what} at ${hex(hostOffset)}, which is not within the file`,
    { offset: hostOffset },
  );
}

function tooLarge(offset: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.l1-table-too-large',
    'An L1 table is larger than a structure may be, or names too many L2 tables',
    { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
