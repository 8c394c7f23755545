/** The header of an open image, and how it changes: always with one write of its sector. */
import { clearBits, decodeName, encodeName, hasAnyBit, setBits } from '@diskfile/bytes';
import {
  type BackingReference,
  flushStorage,
  readBytes,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { encodeHeader, HEADER_BYTES, type NamePlace, type QedHeader } from './header.ts';
import { FEATURE } from './structs.ts';

const SECTOR_BYTES = 512;

export class HeaderState {
  #header: QedHeader;
  #backing: BackingReference | undefined;
  /** Whether a change has failed, so that nobody knows which header the file has. */
  #isUncertain = false;

  private constructor(header: QedHeader, backing: BackingReference | undefined) {
    this.#header = header;
    this.#backing = backing;
  }

  static *open(storage: Storage, header: QedHeader): Step<HeaderState> {
    const { backingName, features } = header;
    if (backingName === undefined || backingName.lengthBytes === 0) {
      return new HeaderState(header, undefined);
    }
    const name = yield* readBytes(storage, backingName.offset, backingName.lengthBytes);
    const isRaw = hasAnyBit(features, FEATURE.backingFormatNoProbe);
    const backing = { name: decodeName(name), format: isRaw ? 'raw' : undefined };
    return new HeaderState(header, backing);
  }

  get header(): QedHeader {
    return this.#header;
  }

  get backing(): BackingReference | undefined {
    return this.#backing;
  }

  /** Durable when it returns. What has been written before need not be. */
  *change(storage: WritableStorage, change: Partial<QedHeader>): Step<void> {
    const header = { ...this.#header, ...change };
    yield* this.#write(storage, encodeHeader(header));
    this.#header = header;
  }

  *#write(storage: WritableStorage, start: Uint8Array): Step<void> {
    this.#isUncertain = true;
    yield* writeBytes(storage, start, 0);
    yield* flushStorage(storage);
    this.#isUncertain = false;
  }

  /** After a change that failed, the file gets the header of before once more, durably. */
  *settle(storage: WritableStorage): Step<void> {
    if (!this.#isUncertain) return;
    const { backingName } = this.#header;
    const isBehind = backingName?.offset === HEADER_BYTES && this.#backing !== undefined;
    const name = isBehind ? encodeName(this.#backing!.name) : new Uint8Array(0);
    yield* this.#write(storage, withName(this.#header, name));
  }

  /** The image names another one below, or none. The name has been checked. */
  *setBacking(storage: WritableStorage, backing: BackingReference | undefined): Step<void> {
    const others = clearBits(
      this.#header.features,
      FEATURE.backingFile + FEATURE.backingFormatNoProbe,
    );
    if (backing === undefined) {
      // QEMU leaves the place of a name of no length.
      const backingName = { offset: HEADER_BYTES, lengthBytes: 0 };
      yield* this.change(storage, { features: others, backingName });
    } else {
      const name = encodeName(backing.name);
      const backingName = { offset: this.#placeFor(name.length), lengthBytes: name.length };
      // Within the header's sector the name counts together with it; elsewhere it has to be there.
      if (backingName.offset === HEADER_BYTES) {
        yield* this.#changeWithName(storage, others, backing, name);
      } else {
        yield* writeBytes(storage, name, backingName.offset);
        yield* flushStorage(storage);
        yield* this.change(storage, { features: featuresFor(others, backing), backingName });
      }
    }
    this.#backing = backing;
  }

  *#changeWithName(
    storage: WritableStorage,
    others: number,
    backing: BackingReference,
    name: Uint8Array,
  ): Step<void> {
    const backingName = { offset: HEADER_BYTES, lengthBytes: name.length };
    const header = { ...this.#header, features: featuresFor(others, backing), backingName };
    yield* this.#write(storage, withName(header, name));
    this.#header = header;
  }

  /**
   * Where a name goes: behind the fields, if the sector of these has room; else to a place of its
   * own, not over the name that counts until then.
   */
  #placeFor(lengthBytes: number): number {
    if (HEADER_BYTES + lengthBytes <= SECTOR_BYTES) return HEADER_BYTES;
    return NAME_PLACES.find((offset) => !overlaps(this.#header.backingName, offset, lengthBytes))!;
  }
}

/**
 * Each has room for the longest name, within the smallest cluster. No name is so long that it
 * overlaps all of them.
 */
const NAME_PLACES: readonly number[] = [1, 4, 6].map((sector) => sector * SECTOR_BYTES);

function overlaps(place: NamePlace | undefined, offset: number, lengthBytes: number): boolean {
  if (place === undefined) return false;
  return offset < place.offset + place.lengthBytes && place.offset < offset + lengthBytes;
}

/** The header with a name right behind it. */
function withName(header: QedHeader, name: Uint8Array): Uint8Array {
  const start = new Uint8Array(HEADER_BYTES + name.length);
  start.set(encodeHeader(header));
  start.set(name, HEADER_BYTES);
  return start;
}

export function featuresFor(others: number, { format }: BackingReference): number {
  const named = setBits(others, FEATURE.backingFile);
  return format === 'raw' ? setBits(named, FEATURE.backingFormatNoProbe) : named;
}
