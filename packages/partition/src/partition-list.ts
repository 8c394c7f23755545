/** Collects partitions while a table is read, and keeps them within the disk. */
import type { DiskWarning } from '@diskfile/core';
import type { Partition } from './partition-table.ts';

/** A table can be wrong in every one of its entries; nobody reads more than this. */
const MAX_WARNINGS = 100;
/** Linux gives a disk 255 partitions; each that is listed is going to be opened and looked into. */
const MAX_PARTITIONS = 1024;

export class PartitionList {
  readonly partitions: Partition[] = [];
  readonly #sizeBytes: number;
  readonly #warnings: DiskWarning[] = [];
  #omittedWarnings = 0;
  #omittedPartitions = 0;

  /** @param sizeBytes of the disk */
  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  warn(detail: string, message: string): void {
    if (this.#warnings.length < MAX_WARNINGS) this.#warnings.push({ detail, message });
    else this.#omittedWarnings += 1;
  }

  /**
   * Takes a partition as the table describes it. One that begins outside the disk is left out, as
   * Linux makes no device for it; one that ends outside is cut off at the end of the disk. One too
   * many is left out as well.
   */
  add(partition: Partition): void {
    const { number, startBytes, lengthBytes } = partition;
    const where = `Partition ${number} (bytes ${startBytes} to ${startBytes + lengthBytes})`;
    if (startBytes >= this.#sizeBytes) {
      const message = `${where} lies beyond the disk of ${this.#sizeBytes} bytes; left out`;
      this.warn('partition.beyond-disk', message);
      return;
    }
    const withinBytes = this.#sizeBytes - startBytes;
    if (lengthBytes > withinBytes) {
      const message = `${where} ends beyond the disk of ${this.#sizeBytes} bytes; cut off there`;
      this.warn('partition.cut-off', message);
    }
    if (this.partitions.length === MAX_PARTITIONS) {
      this.#omittedPartitions += 1;
      return;
    }
    this.partitions.push({ ...partition, lengthBytes: Math.min(lengthBytes, withinBytes) });
  }

  /** All warnings, those about overlaps included. Called once, when the table has been read. */
  finishWarnings(): readonly DiskWarning[] {
    if (this.#omittedPartitions > 0) {
      const message = `There are more than ${MAX_PARTITIONS} partitions; the last`;
      this.warn('partition.too-many', `${message} ${this.#omittedPartitions} were left out`);
    }
    this.#warnAboutOverlaps();
    if (this.#omittedWarnings > 0) {
      const message = `${this.#omittedWarnings} further warnings were left out`;
      this.#warnings.push({ detail: 'partition.many-warnings', message });
    }
    return this.#warnings;
  }

  #warnAboutOverlaps(): void {
    const sorted = this.partitions
      .filter(({ extended }) => !extended)
      .toSorted((a, b) => a.startBytes - b.startBytes);
    let furthest: Partition | undefined;
    for (const partition of sorted) {
      if (furthest !== undefined && partition.startBytes < endOf(furthest)) {
        const message = `Partitions ${furthest.number} and ${partition.number} overlap`;
        this.warn('partition.overlap', message);
      }
      if (furthest === undefined || endOf(partition) > endOf(furthest)) furthest = partition;
    }
  }
}

function endOf({ startBytes, lengthBytes }: Partition): number {
  return startBytes + lengthBytes;
}
