/** The header of an open image, and how the name in it changes. */
import { decodeName, writeU32be, writeU64be } from '@diskfile/bytes';
import {
  type BackingReference,
  flushStorage,
  readBytes,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import type { NamePlace, QcowHeader } from './header.ts';
import { qcowHeader } from './structs.ts';

export class HeaderState {
  #header: QcowHeader;
  #backing: BackingReference | undefined;
  /** Whether a change has failed, so that nobody knows which name the file has. */
  #isUncertain = false;

  private constructor(header: QcowHeader, backing: BackingReference | undefined) {
    this.#header = header;
    this.#backing = backing;
  }

  static *open(storage: Storage, header: QcowHeader): Step<HeaderState> {
    const { backingName } = header;
    if (backingName === undefined) return new HeaderState(header, undefined);
    const bytes = yield* readBytes(storage, backingName.offset, backingName.lengthBytes);
    const end = bytes.indexOf(0);
    const name = decodeName(end === -1 ? bytes : bytes.subarray(0, end));
    return new HeaderState(header, name === '' ? undefined : { name, format: undefined });
  }

  get header(): QcowHeader {
    return this.#header;
  }

  get backing(): BackingReference | undefined {
    return this.#backing;
  }

  /**
   * The image names another one below, or none. One write of a sector, durable when it returns.
   * @param place where the name is, durably
   */
  *setBacking(
    storage: WritableStorage,
    name: string | undefined,
    place: NamePlace | undefined,
  ): Step<void> {
    yield* this.#write(storage, place);
    this.#header = { ...this.#header, backingName: place };
    // There is no room for the format of that image.
    this.#backing = name === undefined ? undefined : { name, format: undefined };
  }

  *#write(storage: WritableStorage, place: NamePlace | undefined): Step<void> {
    const { offset, lengthBytes } = place ?? { offset: 0, lengthBytes: 0 };
    const fields = new Uint8Array(12);
    writeU64be(fields, 0, offset);
    writeU32be(fields, 8, lengthBytes);
    this.#isUncertain = true;
    yield* writeBytes(storage, fields, qcowHeader.offsetOf('backing_file_offset_high'));
    yield* flushStorage(storage);
    this.#isUncertain = false;
  }

  /** After a change that failed, the file gets the name of before once more, durably. */
  *settle(storage: WritableStorage): Step<void> {
    if (this.#isUncertain) yield* this.#write(storage, this.#header.backingName);
  }
}
