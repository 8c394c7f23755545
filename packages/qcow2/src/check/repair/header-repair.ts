/** Changes to the header, each within its first sector and so at one instant. */
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { flushStorage, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { AUTOCLEAR, type FeatureKind, featureWord, INCOMPATIBLE } from '../../header/features.ts';
import type { Qcow2Header } from '../../header/header.ts';
import { headerV2, headerV3 } from '../../structs.ts';

/** Features that a repair leaves as true as they were. */
const KEPT_AUTOCLEAR = [AUTOCLEAR.bitmaps, AUTOCLEAR.rawExternalData];

export class HeaderRepair {
  readonly #storage: WritableStorage;
  readonly #header: Qcow2Header;

  constructor(storage: WritableStorage, header: Qcow2Header) {
    this.#storage = storage;
    this.#header = header;
  }

  /** Clears the marks of features that are not known here, as every writer has to. */
  *clearUnknownAutoclear(): Step<void> {
    yield* this.#keep('autoclear', KEPT_AUTOCLEAR);
  }

  /** Gives up all bitmaps: they no longer say what has changed, and their clusters are free. */
  *dropBitmaps(): Step<void> {
    yield* this.#keep('autoclear', [AUTOCLEAR.rawExternalData]);
  }

  /** Nothing is wrong any more. */
  *clearDirtyAndCorrupt(): Step<void> {
    const { dirty, corrupt } = INCOMPATIBLE;
    const { incompatible } = this.#header.features;
    yield* this.#keep(
      'incompatible',
      [...incompatible].filter((bit) => bit !== dirty && bit !== corrupt),
    );
  }

  *setRefcountTable(hostOffset: number, clusters: number): Step<void> {
    const bytes = new Uint8Array(12);
    writeU64be(bytes, 0, hostOffset);
    writeU32be(bytes, 8, clusters);
    yield* this.#write(bytes, headerV2.offsetOf('refcount_table_offset'));
  }

  *setSnapshotTable(hostOffset: number, snapshots: number): Step<void> {
    const bytes = new Uint8Array(12);
    writeU32be(bytes, 0, snapshots);
    writeU64be(bytes, 4, hostOffset);
    yield* this.#write(bytes, headerV2.offsetOf('nb_snapshots'));
  }

  /** Clears all bits of a kind but some. Version 2 has none. */
  *#keep(kind: FeatureKind, kept: readonly number[]): Step<void> {
    const present = this.#header.features[kind];
    const bits = new Set(kept.filter((bit) => present.has(bit)));
    if (bits.size === present.size) return;
    const bytes = new Uint8Array(8);
    writeU32be(bytes, 0, featureWord(bits, 32));
    writeU32be(bytes, 4, featureWord(bits, 0));
    const field = headerV3.offsetOf(`${kind}_features_high`);
    yield* this.#write(bytes, headerV2.spanBytes + field);
  }

  *#write(bytes: Uint8Array, at: number): Step<void> {
    yield* writeBytes(this.#storage, bytes, at);
    yield* flushStorage(this.#storage);
  }
}
