/** The clusters that persistent bitmaps take (specification, "Bitmaps"). */
import { alignUp, DiskError, maskBits } from '@diskfile/bytes';
import { type Limits, readBytes, type Step, type Storage } from '@diskfile/core';
import { readDirectory } from '../bitmaps/bitmap-directory.ts';
import { hex } from '../errors.ts';
import { AUTOCLEAR } from '../header/features.ts';
import { clusterOffset } from '../tables/l2-entry.ts';
import { bitmapDirectoryEntry, bitmapsExtension } from '../structs.ts';
import type { CheckedHeader } from './checked-header.ts';
import { type CoveredPart, coverage } from './coverage.ts';
import type { Findings } from './findings.ts';
import type { HostRegion, References } from './references.ts';

const ENTRY_BYTES = 8;
const READ_BYTES = 1024 * 1024;
/** Bits 56 to 63, and 1 to 8 of an entry of a bitmap table. */
const RESERVED_HIGH = 0xff00_0000;
const RESERVED_LOW = 0x1fe;

/** Bitmaps that the image does not vouch for are no bitmaps: their clusters count as leaked. */
export function vouchesForBitmaps({ header }: CheckedHeader): boolean {
  return header.features.autoclear.has(AUTOCLEAR.bitmaps);
}

export class BitmapReferences {
  /** Directory and tables, as far as they could be read. */
  readonly regions: HostRegion[] = [];
  isDamaged = false;
  readonly #storage: Storage;
  readonly #clusterBytes: number;
  readonly #limits: Limits;
  readonly #references: References;
  readonly #findings: Findings;

  constructor(
    storage: Storage,
    clusterBytes: number,
    limits: Limits,
    references: References,
    findings: Findings,
  ) {
    this.#storage = storage;
    this.#clusterBytes = clusterBytes;
    this.#limits = limits;
    this.#references = references;
    this.#findings = findings;
  }

  /** @param extension the data of the header extension */
  *add(extension: Uint8Array): Step<void> {
    const tables = yield* this.#readDirectory(extension);
    const within = this.#references.addRegions('bitmap table', tables);
    for (const table of within) this.regions.push(table);
    if (within.length < tables.filter(({ lengthBytes }) => lengthBytes > 0).length) {
      this.isDamaged = true;
    }
    const fileBytes = this.#storage.sizeBytes;
    const parts = coverage(
      tables.map(({ hostOffset, lengthBytes }) => ({
        start: hostOffset,
        end: Math.min(hostOffset + lengthBytes, fileBytes - (fileBytes % ENTRY_BYTES)),
      })),
    );
    for (const part of parts) yield* this.#addClusters(part);
    if (!this.isDamaged) yield* this.#compareWithReader(extension);
  }

  /** What was walked through may still not be what those who use bitmaps accept. */
  *#compareWithReader(extension: Uint8Array): Step<void> {
    try {
      yield* readDirectory(this.#storage, this.#clusterBytes, extension, this.#limits);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
      if (error.code !== 'limit') this.#damaged(error.context.offset ?? 0, error.message);
    }
  }

  *#readDirectory(extension: Uint8Array): Step<HostRegion[]> {
    const tables: HostRegion[] = [];
    try {
      const raw = bitmapsExtension.decode(extension);
      const { bitmap_directory_offset: hostOffset, bitmap_directory_size: lengthBytes } = raw;
      const region = { hostOffset, lengthBytes };
      if (this.#references.addRegion('bitmap directory', region)) this.regions.push(region);
      else this.isDamaged = true;
      const { maxStructureBytes } = this.#limits;
      const end = Math.min(lengthBytes, this.#storage.sizeBytes - hostOffset, maxStructureBytes);
      const directory = yield* readBytes(this.#storage, hostOffset, Math.max(0, end));
      for (let at = 0; at < directory.length;) {
        const entry = bitmapDirectoryEntry.decode(directory, at);
        at += alignUp(bitmapDirectoryEntry.spanBytes + entry.extra_data_size + entry.name_size, 8);
        if (entry.bitmap_table_offset % this.#clusterBytes !== 0 || at > directory.length) {
          this.#damaged(hostOffset, `The bitmap directory at ${hex(hostOffset)} is damaged`);
          return tables;
        }
        tables.push({
          hostOffset: entry.bitmap_table_offset,
          lengthBytes: entry.bitmap_table_size * ENTRY_BYTES,
        });
      }
      if (end === lengthBytes) return tables;
      this.#damaged(hostOffset, `The bitmap directory at ${hex(hostOffset)} is cut`);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code === 'io') throw error;
      this.#damaged(0, `The bitmap directory cannot be read: ${error.message}`);
    }
    return tables;
  }

  *#addClusters({ start, end, times }: CoveredPart): Step<void> {
    for (let from = start; from < end; from += READ_BYTES) {
      const bytes = yield* readBytes(this.#storage, from, Math.min(READ_BYTES, end - from));
      const entries = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
        this.#addCluster(entries.getUint32(at), entries.getUint32(at + 4), from + at, times);
      }
    }
  }

  #addCluster(high: number, low: number, entryOffset: number, times: number): void {
    const hostOffset = clusterOffset(high, low);
    const reserved = maskBits(high, RESERVED_HIGH) !== 0 || maskBits(low, RESERVED_LOW) !== 0;
    const onesWithOffset = low % 2 === 1 && hostOffset !== 0;
    if (reserved || onesWithOffset || hostOffset % this.#clusterBytes !== 0) {
      this.#damaged(entryOffset, `The bitmap table entry at ${hex(entryOffset)} is damaged`, times);
    } else if (hostOffset !== 0) {
      const region = { hostOffset, lengthBytes: this.#clusterBytes };
      if (!this.#references.addRegion('cluster of a bitmap', region, times)) this.isDamaged = true;
    }
  }

  #damaged(hostOffset: number, message: string, times = 1): void {
    this.isDamaged = true;
    this.#findings.corruption(times, () => ({
      detail: 'qcow2.check.bitmap',
      message,
      hostOffset,
    }));
  }
}
