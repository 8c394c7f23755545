/** An image as a map over its clusters. */
import {
  type Extent,
  type FormatDetails,
  type FormatImage,
  type ImageWriter,
  lookupBlocks,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import type { AllocationTable } from './allocation-table.ts';
import type { ParallelsHeader } from './header.ts';
import { IN_USE, SECTOR_BYTES } from './structs.ts';

export interface ParallelsDetails extends FormatDetails {
  /** What the entries of the table count. */
  readonly kind: ParallelsHeader['kind'];
  /** Whether the image was not closed, or is being written. */
  readonly inUse: boolean;
}

export class ParallelsImage implements FormatImage {
  readonly format = 'parallels';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #table: AllocationTable;

  constructor(table: AllocationTable, writer: ImageWriter | undefined) {
    this.sizeBytes = table.header.sizeBytes;
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      clusterBytes: table.blockBytes,
    };
    this.storages = [table.storage];
    if (writer !== undefined) this.writer = writer;
    this.#table = table;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return lookupBlocks(this.#table, guestOffset, lengthBytes, extent);
  }

  *load(guestOffset: number): Step<void> {
    yield* this.#table.load(Math.floor(guestOffset / this.#table.blockBytes));
  }

  details(): ParallelsDetails {
    const { kind, inUse } = this.#table.header;
    return { kind, inUse: inUse === IN_USE.open };
  }
}
