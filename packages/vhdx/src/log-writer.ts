/**
 * Changes of metadata that survive a loss of power: each is written to the log, then applied. The
 * header names the log from its first entry on until the disk is closed, so that there is a whole
 * entry whenever somebody is told to look for one.
 */
import { randomUuid, writeU32le } from '@diskfile/bytes';
import {
  flushStorage,
  punchHole,
  type Step,
  truncateStorage,
  type WritableStorage,
  writeBytes,
  writeZeros,
} from '@diskfile/core';
import { checksumOf, type VhdxHeader } from './header.ts';
import { encodeLogEntry, entryCapacity, type LogReplay } from './log.ts';
import { HEADER_BYTES, LOG_SECTOR_BYTES, PLACES, vhdxHeader } from './structs.ts';

export interface MetadataChange {
  readonly hostOffset: number;
  /** One sector of the log, or less at the end of a table. */
  readonly bytes: Uint8Array;
}

const NO_GUID = new Uint8Array(16);

export class LogWriter {
  readonly #storage: WritableStorage;
  #header: VhdxHeader;
  /** Whether the header says that the disk has changed. */
  #hasBegun = false;
  /** Undefined as long as the header names no log. */
  #logGuid: Uint8Array | undefined;
  #sequenceNumber = 1;
  /** Whether an entry is in the log whose changes are not, or not all, where they belong. */
  #isPending = false;

  constructor(storage: WritableStorage, header: VhdxHeader) {
    this.#storage = storage;
    this.#header = header;
  }

  /** Applies what an earlier writer left in the log. Nothing is lost when this is cut short. */
  *applyReplay({ changes, fileBytes }: LogReplay): Step<void> {
    for (const change of changes) {
      if (change.kind === 'data') yield* writeBytes(this.#storage, change.bytes, change.fileOffset);
      else yield* this.#clear(change.fileOffset, change.lengthBytes);
    }
    if (this.#storage.sizeBytes < fileBytes) yield* truncateStorage(this.#storage, fileBytes);
    yield* flushStorage(this.#storage);
    yield* this.#writeHeader(undefined);
  }

  /** Beyond the end of the file there is nothing to clear. */
  *#clear(offset: number, lengthBytes: number): Step<void> {
    const there = Math.min(lengthBytes, this.#storage.sizeBytes - offset);
    if (there <= 0 || (yield* punchHole(this.#storage, offset, there))) return;
    yield* writeZeros(this.#storage, offset, there);
  }

  /** Says in the header that the disk's content changes from now on. */
  *begin(): Step<void> {
    if (this.#hasBegun) return;
    this.#header = { ...this.#header, dataWriteGuid: randomUuid() };
    yield* this.#writeHeader(undefined);
    this.#hasBegun = true;
  }

  /** Makes changes durable, each group of them at one instant. What they name is durable already. */
  *write(changes: readonly MetadataChange[]): Step<void> {
    const capacity = entryCapacity(this.#slotBytes);
    for (let start = 0; start < changes.length; start += capacity) {
      yield* this.#writeGroup(changes.slice(start, start + capacity));
    }
    this.#isPending = false;
  }

  /**
   * Entries take turns at two places. Each is applied before the next one comes, but the next one
   * may be cut short, and then the one before it is what is found.
   */
  get #slotBytes(): number {
    return this.#header.logBytes / 2;
  }

  *#writeGroup(changes: readonly MetadataChange[]): Step<void> {
    const sectors = changes.map(({ hostOffset, bytes }) => {
      const whole = new Uint8Array(LOG_SECTOR_BYTES);
      whole.set(bytes);
      return { fileOffset: hostOffset, bytes: whole };
    });
    const logGuid = this.#logGuid ?? randomUuid();
    const place = (this.#sequenceNumber % 2) * this.#slotBytes;
    const entry = encodeLogEntry({
      sequenceNumber: this.#sequenceNumber,
      logGuid,
      tail: place,
      fileBytes: this.#storage.sizeBytes,
      sectors,
    });
    yield* writeBytes(this.#storage, entry, this.#header.logOffset + place);
    yield* flushStorage(this.#storage);
    this.#sequenceNumber += 1;
    this.#isPending = true;
    if (this.#logGuid === undefined) yield* this.#writeHeader(logGuid);
    this.#logGuid = logGuid;
    for (const { fileOffset, bytes } of sectors) {
      yield* writeBytes(this.#storage, bytes, fileOffset);
    }
    yield* flushStorage(this.#storage);
  }

  /** If all is applied, nobody has to look into the log any more. */
  *end(): Step<void> {
    if (this.#logGuid === undefined || this.#isPending) return;
    yield* this.#writeHeader(undefined);
    this.#logGuid = undefined;
  }

  /** Writes the header that is not in force, which then is. */
  *#writeHeader(logGuid: Uint8Array | undefined): Step<void> {
    const { slot, sequenceNumber, logBytes, logOffset } = this.#header;
    const next: VhdxHeader = {
      ...this.#header,
      slot: slot === 0 ? 1 : 0,
      sequenceNumber: sequenceNumber + 1,
      fileWriteGuid: randomUuid(),
    };
    const bytes = encodeHeader({ ...next, logBytes, logOffset }, logGuid ?? NO_GUID);
    yield* writeBytes(this.#storage, bytes, PLACES.headers[next.slot]);
    yield* flushStorage(this.#storage);
    this.#header = next;
  }
}

type HeaderFields = Pick<
  VhdxHeader,
  'sequenceNumber' | 'fileWriteGuid' | 'dataWriteGuid' | 'logBytes' | 'logOffset'
>;

export function encodeHeader(fields: HeaderFields, logGuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  vhdxHeader.encode(
    {
      signature: Uint8Array.from('head', (character) => character.charCodeAt(0)),
      checksum: 0,
      sequenceNumber: fields.sequenceNumber,
      fileWriteGuid: fields.fileWriteGuid,
      dataWriteGuid: fields.dataWriteGuid,
      logGuid,
      logVersion: 0,
      version: 1,
      logLength: fields.logBytes,
      logOffset: fields.logOffset,
    },
    bytes,
  );
  writeU32le(bytes, vhdxHeader.offsetOf('checksum'), checksumOf(bytes));
  return bytes;
}
