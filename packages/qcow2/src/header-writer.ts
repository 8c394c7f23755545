/** Changes to single fields of the header, each within one sector and so whole or not at all. */
import { DiskError, writeU32be, writeU64be } from '@diskfile/bytes';
import { type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { AUTOCLEAR, type FeatureBits, featureWord, INCOMPATIBLE } from './features.ts';
import type { Qcow2Header } from './header.ts';
import { headerV2, headerV3 } from './structs.ts';

const V3_START = headerV2.spanBytes;

export class HeaderWriter {
  readonly #storage: WritableStorage;
  readonly #version: 2 | 3;
  readonly #incompatible: Set<number>;
  #corrupt = false;

  constructor(storage: WritableStorage, { version, features }: Qcow2Header) {
    this.#storage = storage;
    this.#version = version;
    this.#incompatible = new Set(features.incompatible);
  }

  /** Whether an overlap was met: nothing may be written any more. */
  get isCorrupt(): boolean {
    return this.#corrupt;
  }

  get isDirty(): boolean {
    return this.#incompatible.has(INCOMPATIBLE.dirty);
  }

  /** Says whether refcounts may be out of date (specification, "Header": dirty bit). */
  *setDirty(dirty: boolean): Step<void> {
    yield* this.#setIncompatible(INCOMPATIBLE.dirty, dirty);
  }

  /**
   * Marks the image as corrupt, so that nobody writes to it before it is repaired, and says why.
   * Version 2 has no such mark.
   */
  *refuseOverlap(what: string, hostOffset: number): Step<never> {
    this.#corrupt = true;
    let cause: unknown;
    try {
      if (this.#version === 3) yield* this.#setIncompatible(INCOMPATIBLE.corrupt, true);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      cause = error;
    }
    throw corrupt(
      'qcow2.overlap',
      `Writing at ${hex(hostOffset)} would overwrite the image's own ${what}`,
      { offset: hostOffset, ...(cause === undefined ? {} : { cause }) },
    );
  }

  *#setIncompatible(bit: number, on: boolean): Step<void> {
    const bits = new Set(this.#incompatible);
    if (on) bits.add(bit);
    else bits.delete(bit);
    yield* this.#writeFeatures('incompatible_features_high', bits);
    if (on) this.#incompatible.add(bit);
    else this.#incompatible.delete(bit);
  }

  /**
   * Clears the autoclear bits of features that writing here does not keep up: unknown ones, and
   * bitmaps (specification, "Header": autoclear_features).
   */
  *clearAutoclear(features: FeatureBits): Step<boolean> {
    const kept = new Set([AUTOCLEAR.rawExternalData].filter((bit) => features.autoclear.has(bit)));
    if (kept.size === features.autoclear.size) return false;
    yield* this.#writeFeatures('autoclear_features_high', kept);
    return true;
  }

  *#writeFeatures(
    field: 'incompatible_features_high' | 'autoclear_features_high',
    bits: ReadonlySet<number>,
  ): Step<void> {
    const bytes = new Uint8Array(8);
    writeU32be(bytes, 0, featureWord(bits, 32));
    writeU32be(bytes, 4, featureWord(bits, 0));
    yield* writeBytes(this.#storage, bytes, V3_START + headerV3.offsetOf(field));
  }

  /** Offset and length follow each other, so that one write changes both. */
  *setRefcountTable(hostOffset: number, clusters: number): Step<void> {
    const bytes = new Uint8Array(12);
    writeU64be(bytes, 0, hostOffset);
    writeU32be(bytes, 8, clusters);
    yield* writeBytes(this.#storage, bytes, headerV2.offsetOf('refcount_table_offset'));
  }
}
