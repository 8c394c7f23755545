/**
 * Logical partitions: a chain of boot records (EBR) inside an extended partition. Each record holds
 * a partition that counts from the record itself, and a link to the next record that counts from
 * the start of the extended partition. Partitions are numbered in the order of the chain, which
 * need not be the order on the disk.
 */
import { type ByteSource, readInto, type Step } from '@diskfile/core';
import type { PartitionList } from '../partition-list.ts';
import {
  BOOT_RECORD_BYTES,
  type BootRecord,
  type BootRecordEntry,
  parseBootRecord,
} from './boot-record.ts';

/** Linux has device numbers for 255 partitions on a disk. */
const MAX_LOGICAL_PARTITIONS = 251;
/** Deleting partitions leaves empty links behind, but not this many. */
const MAX_LINKS = 1024;
/** Entries of an EBR beyond these should be empty and hold leftovers in practice. */
const REGULAR_ENTRIES = 2;

export class LogicalChains {
  /** Logical partitions in the order of the chain; starts count from the start of the disk. */
  readonly found: BootRecordEntry[] = [];
  readonly #source: ByteSource;
  readonly #sectorBytes: number;
  readonly #list: PartitionList;
  /** Boot records that have been read, by LBA: what ends a chain that bites its tail. */
  readonly #visited = new Set<number>();

  constructor(source: ByteSource, sectorBytes: number, list: PartitionList) {
    this.#source = source;
    this.#sectorBytes = sectorBytes;
    this.#list = list;
  }

  /** Follows the chain that begins with the first sector of an extended partition. */
  *follow(extendedLba: number, extendedSizeLba: number): Step<void> {
    const bytes = new Uint8Array(BOOT_RECORD_BYTES);
    let recordLba = extendedLba;
    let linkSizeLba = extendedSizeLba;
    for (;;) {
      if (!this.#mayVisit(recordLba)) return;
      this.#visited.add(recordLba);
      yield* readInto(this.#source, bytes, recordLba * this.#sectorBytes);
      const record = parseBootRecord(bytes);
      if (record === undefined) {
        this.#stop('mbr.chain-broken', `sector ${recordLba} is no extended boot record`);
        return;
      }
      const extendedEndLba = extendedLba + extendedSizeLba;
      this.#collect(record, recordLba, { extendedLba, extendedEndLba, linkSizeLba });
      const link = record.entries.find(({ extended, sizeLba }) => extended && sizeLba > 0);
      if (link === undefined) return;
      recordLba = extendedLba + link.startLba;
      linkSizeLba = link.sizeLba;
    }
  }

  #mayVisit(recordLba: number): boolean {
    if (this.#visited.has(recordLba)) {
      this.#stop('mbr.chain-loop', `it comes back to sector ${recordLba}`);
    } else if ((recordLba + 1) * this.#sectorBytes > this.#source.sizeBytes) {
      this.#stop('mbr.chain-beyond-disk', `it leads to sector ${recordLba}, beyond the disk`);
    } else if (this.#visited.size >= MAX_LINKS || this.found.length >= MAX_LOGICAL_PARTITIONS) {
      this.#stop('mbr.chain-too-long', 'it is too long');
    } else {
      return true;
    }
    return false;
  }

  #stop(detail: string, why: string): void {
    const message = `The chain of logical partitions ends after ${this.found.length}: ${why}`;
    this.#list.warn(detail, message);
  }

  #collect(
    record: BootRecord,
    recordLba: number,
    bounds: { extendedLba: number; extendedEndLba: number; linkSizeLba: number },
  ): void {
    for (const [index, entry] of record.entries.entries()) {
      if (entry.extended || entry.sizeLba === 0) continue;
      if (this.found.length >= MAX_LOGICAL_PARTITIONS) return;
      const startLba = recordLba + entry.startLba;
      const endLba = startLba + entry.sizeLba;
      const withinLink = entry.startLba + entry.sizeLba <= bounds.linkSizeLba;
      const withinExtended = startLba >= bounds.extendedLba && endLba <= bounds.extendedEndLba;
      if (index >= REGULAR_ENTRIES && !(withinLink && withinExtended)) continue;
      if (!withinExtended) {
        const number = this.found.length + 5;
        const message = `Logical partition ${number} reaches out of the extended partition`;
        this.#list.warn('mbr.logical-outside', message);
      }
      this.found.push({ ...entry, startLba });
    }
  }
}
