/** A QED image as a map over its clusters. */
import {
  type BackingReference,
  type Extent,
  type FormatDetails,
  type FormatImage,
  type ImageWriter,
  lookupBlocks,
  type Step,
  type Storage,
  type Topology,
  type TwoLevelTable,
} from '@diskfile/core';
import { hasAnyBit } from '@diskfile/bytes';
import type { HeaderState } from './header-state.ts';
import { FEATURE } from './structs.ts';

export interface QedDetails extends FormatDetails {
  /** The tables have to be checked before they are relied on. */
  readonly dirty: boolean;
  /** Clusters of the L1 table, and of each L2 table. */
  readonly tableClusters: number;
}

export class QedImage implements FormatImage {
  readonly format = 'qed';
  readonly topology: Topology;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #table: TwoLevelTable;
  readonly #state: HeaderState;

  constructor(state: HeaderState, table: TwoLevelTable, writer: ImageWriter | undefined) {
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: state.header.clusterBytes,
    };
    this.storages = [table.storage];
    if (writer !== undefined) this.writer = writer;
    this.#table = table;
    this.#state = state;
  }

  get sizeBytes(): number {
    return this.#state.header.sizeBytes;
  }

  get backing(): BackingReference | undefined {
    return this.#state.backing;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return lookupBlocks(this.#table, guestOffset, lengthBytes, extent);
  }

  *load(guestOffset: number): Step<void> {
    yield* this.#table.load(Math.floor(guestOffset / this.#table.blockBytes));
  }

  details(): QedDetails {
    const { features, tableClusters } = this.#state.header;
    return { dirty: hasAnyBit(features, FEATURE.needCheck), tableClusters };
  }
}
