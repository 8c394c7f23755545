/** Content in units, as a map that the engine decodes from. */
import type { Decoder, Extent, ExtentMap, Step, Storage } from '@diskfile/core';
import type { UnitTable } from './unit-table.ts';

/** The unit that an extent is made of. One object is filled again and again. */
class EncodedUnit {
  readonly storage: Storage;
  hostOffset = 0;
  encodedLengthBytes = 0;
  unitLengthBytes = 0;
  decoder: Decoder;

  constructor(storage: Storage, decoder: Decoder) {
    this.storage = storage;
    this.decoder = decoder;
  }
}

export class UnitMap implements ExtentMap {
  readonly sizeBytes: number;
  readonly #units: UnitTable;
  readonly #unit: EncodedUnit;
  readonly #decoderOf: ((index: number) => Decoder) | undefined;

  /** @param decoder of all units, or for each by its index */
  constructor(storage: Storage, units: UnitTable, decoder: Decoder | ((index: number) => Decoder)) {
    this.sizeBytes = units.sizeBytes;
    this.#units = units;
    this.#decoderOf = typeof decoder === 'function' ? decoder : undefined;
    this.#unit = new EncodedUnit(storage, typeof decoder === 'function' ? decoder(0) : decoder);
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const units = this.#units;
    const index = units.indexOf(guestOffset);
    const skip = guestOffset - units.guestStart(index);
    const unit = this.#unit;
    unit.hostOffset = units.hostOffset(index);
    unit.encodedLengthBytes = units.hostBytes(index);
    unit.unitLengthBytes = units.contentBytes(index);
    if (this.#decoderOf !== undefined) unit.decoder = this.#decoderOf(index);
    extent.setEncoded(unit, skip, Math.min(lengthBytes, unit.unitLengthBytes - skip));
    return true;
  }

  /** All of the table is in memory. */
  *load(): Step<void> {}
}
