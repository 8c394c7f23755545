/**
 * Where a run of guest bytes lives. One mutable {@link Extent} is filled again and again while a
 * range is walked, so that a lookup allocates nothing.
 */
import type { Decoder } from '../decoder.ts';
import type { Storage } from '../storage.ts';

/**
 * - `data`: stored as they are, at `hostOffset` of `storage`.
 * - `zero`: zeros by this layer's own word.
 * - `backing`: this layer says nothing; ask the one below (zeros where there is none).
 * - `encoded`: part of a unit that has to be decoded as a whole.
 */
export type ExtentKind = 'data' | 'zero' | 'backing' | 'encoded';

export class Extent {
  kind: ExtentKind = 'zero';
  /** How many bytes, from the offset that was asked for, this answer covers. At least 1. */
  lengthBytes = 0;
  /**
   * Holds the bytes of a `data` or `encoded` extent. For `zero` and `backing` it is there only
   * where clusters stand ready behind the range, at `hostOffset`, their content not valid.
   */
  storage: Storage | undefined = undefined;
  /** `data`: where the first byte asked for lies. `encoded`: where the encoded unit begins. */
  hostOffset = 0;
  /** `encoded`: bytes to hand to the decoder; an upper bound that may reach past the stream. */
  encodedLengthBytes = 0;
  /** `encoded`: guest bytes of a whole unit. */
  unitLengthBytes = 0;
  /** `encoded`: how far into the unit the first byte asked for lies. */
  unitSkipBytes = 0;
  decoder: Decoder | undefined = undefined;
  /** Index in the chain of the layer that answered; set by the engine. */
  depth = 0;
  /** False when every layer answered `backing`; set by the engine. */
  allocated = true;

  setData(storage: Storage, hostOffset: number, lengthBytes: number): void {
    this.kind = 'data';
    this.storage = storage;
    this.hostOffset = hostOffset;
    this.lengthBytes = lengthBytes;
  }

  /** Zeros; `storage` and `hostOffset` only where clusters stand ready behind them. */
  setZero(lengthBytes: number, storage?: Storage, hostOffset = 0): void {
    this.kind = 'zero';
    this.storage = storage;
    this.hostOffset = hostOffset;
    this.lengthBytes = lengthBytes;
  }

  /** Nothing said; `storage` and `hostOffset` as for {@link setZero}. */
  setBacking(lengthBytes: number, storage?: Storage, hostOffset = 0): void {
    this.kind = 'backing';
    this.storage = storage;
    this.hostOffset = hostOffset;
    this.lengthBytes = lengthBytes;
  }

  setEncoded(unit: EncodedUnit, unitSkipBytes: number, lengthBytes: number): void {
    this.kind = 'encoded';
    this.storage = unit.storage;
    this.hostOffset = unit.hostOffset;
    this.encodedLengthBytes = unit.encodedLengthBytes;
    this.unitLengthBytes = unit.unitLengthBytes;
    this.decoder = unit.decoder;
    this.unitSkipBytes = unitSkipBytes;
    this.lengthBytes = lengthBytes;
  }
}

/** A run of host bytes that decodes to `unitLengthBytes` guest bytes. */
export interface EncodedUnit {
  readonly storage: Storage;
  readonly hostOffset: number;
  readonly encodedLengthBytes: number;
  readonly unitLengthBytes: number;
  readonly decoder: Decoder;
}
