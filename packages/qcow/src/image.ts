/** An image of qcow version 1 as a map over its clusters. */
import {
  type BackingReference,
  BLOCK,
  type CompressedClusters,
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
import { packedPlaceAt } from './cluster-table.ts';
import type { QcowEncryption } from './encryption.ts';
import type { HeaderState } from './header-state.ts';

export interface QcowDetails extends FormatDetails {
  readonly l2TableBytes: number;
  readonly encryption?: { readonly method: 'aes'; readonly locked: boolean };
}

export interface QcowImageParts {
  readonly state: HeaderState;
  readonly table: TwoLevelTable;
  readonly compressed: CompressedClusters;
  readonly encryption: QcowEncryption | undefined;
  readonly writer: ImageWriter | undefined;
}

export class QcowImage implements FormatImage {
  readonly format = 'qcow';
  readonly topology: Topology;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #parts: QcowImageParts;

  constructor(parts: QcowImageParts) {
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: parts.table.blockBytes,
    };
    this.storages = [parts.table.storage];
    if (parts.writer !== undefined) this.writer = parts.writer;
    this.#parts = parts;
  }

  get sizeBytes(): number {
    return this.#parts.state.header.sizeBytes;
  }

  get backing(): BackingReference | undefined {
    return this.#parts.state.backing;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { table, encryption } = this.#parts;
    const index = Math.floor(guestOffset / table.blockBytes);
    if (table.find(index) === BLOCK.encoded) {
      return this.#lookupPacked(index, guestOffset, lengthBytes, extent);
    }
    const found = lookupBlocks(table, guestOffset, lengthBytes, extent);
    if (found) encryption?.decrypt(extent, guestOffset);
    return found;
  }

  #lookupPacked(index: number, guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { table, state, compressed } = this.#parts;
    const { hostOffset, lengthBytes: encoded } = packedPlaceAt(
      table,
      index,
      state.header.clusterBits,
    );
    const skipBytes = guestOffset - index * table.blockBytes;
    return compressed.fill(extent, hostOffset, encoded, skipBytes, lengthBytes);
  }

  *load(guestOffset: number): Step<void> {
    const { table, compressed } = this.#parts;
    const index = Math.floor(guestOffset / table.blockBytes);
    yield* table.load(index);
    if (compressed.isReady || table.find(index) !== BLOCK.encoded) return;
    yield* compressed.loadDecoder();
    // While that took its time, other operations may have pushed the table out.
    yield* table.load(index);
  }

  details(): QcowDetails {
    const { state, encryption } = this.#parts;
    const { l2TableBytes } = state.header;
    if (encryption === undefined) return { l2TableBytes };
    return { l2TableBytes, encryption: { method: encryption.method, locked: encryption.isLocked } };
  }
}
