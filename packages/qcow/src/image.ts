/** An image of qcow version 1 as a map over its clusters. */
import { DiskError } from '@diskfile/bytes';
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
import type { HeaderState } from './header-state.ts';

export interface QcowDetails extends FormatDetails {
  readonly l2TableBytes: number;
  readonly encryption?: { readonly method: 'aes' };
}

export interface QcowImageParts {
  readonly state: HeaderState;
  readonly table: TwoLevelTable;
  readonly compressed: CompressedClusters;
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
    const { table, state } = this.#parts;
    const index = Math.floor(guestOffset / table.blockBytes);
    const place = table.find(index);
    // Compressed clusters are encrypted, too.
    if (state.header.encryption !== undefined && (place >= 0 || place === BLOCK.encoded)) {
      throw encrypted();
    }
    return place === BLOCK.encoded
      ? this.#lookupPacked(index, guestOffset, lengthBytes, extent)
      : lookupBlocks(table, guestOffset, lengthBytes, extent);
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
    const { l2TableBytes, encryption } = this.#parts.state.header;
    return {
      l2TableBytes,
      ...(encryption === undefined ? {} : { encryption: { method: encryption } }),
    };
  }
}

/** The refusal to read and to write what is encrypted. */
export function encrypted(): DiskError {
  return new DiskError(
    'unsupported',
    'qcow.encrypted',
    'The image is encrypted (AES-CBC), which is not read in this format',
    { hint: 'Decrypt it first with "qemu-img convert" and its "--object secret" option.' },
  );
}
