/**
 * Changes of metadata that survive a loss of power: each is written to the log, then applied. The
 * header says that the log counts while the disk is in use, and that it does not once it is closed.
 */
import { randomUuid, writeU32le } from '@diskfile/bytes';
import { flushStorage, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { checksumOf, type VhdxHeader } from './header.ts';
import { encodeLogEntry, entryCapacity, type LogReplay } from './log.ts';
import { HEADER_BYTES, LOG_SECTOR_BYTES, PLACES, vhdxHeader } from './structs.ts';

export interface MetadataChange {
  readonly hostOffset: number;
  /** One sector of the log, or less at the end of a table. */
  readonly bytes: Uint8Array;
}

const NO_GUID = new Uint8Array(16);
/** Zeros that are written at a time. */
const ZERO_CHUNK_BYTES = 1024 * 1024;

export class LogWriter {
  readonly #storage: WritableStorage;
  #header: VhdxHeader;
  #logGuid: Uint8Array | undefined;
  #sequenceNumber = 1;

  constructor(storage: WritableStorage, header: VhdxHeader) {
    this.#storage = storage;
    this.#header = header;
  }

  /** Applies what an earlier writer left in the log. Nothing is lost when this is cut short. */
  *applyReplay({ changes, fileBytes }: LogReplay): Step<void> {
    for (const change of changes) {
      if (change.kind === 'data') yield* writeBytes(this.#storage, change.bytes, change.fileOffset);
      else yield* this.#writeZeros(change.fileOffset, change.lengthBytes);
    }
    if (this.#storage.sizeBytes < fileBytes) {
      yield* writeBytes(this.#storage, new Uint8Array(1), fileBytes - 1);
    }
    yield* flushStorage(this.#storage);
    yield* this.#writeHeader(undefined);
  }

  *#writeZeros(offset: number, lengthBytes: number): Step<void> {
    const zeros = new Uint8Array(Math.min(lengthBytes, ZERO_CHUNK_BYTES));
    for (let done = 0; done < lengthBytes; done += zeros.length) {
      const count = Math.min(zeros.length, lengthBytes - done);
      yield* writeBytes(this.#storage, zeros.subarray(0, count), offset + done);
    }
  }

  /** Says in the header that the disk's content changes from now on. */
  *begin(): Step<void> {
    if (this.#logGuid !== undefined) return;
    const logGuid = randomUuid();
    yield* this.#writeHeader(logGuid);
    this.#logGuid = logGuid;
  }

  /** Makes changes durable, all of a group at one instant. What they name is durable already. */
  *write(changes: readonly MetadataChange[]): Step<void> {
    yield* this.begin();
    const capacity = entryCapacity(this.#header.logBytes);
    for (let start = 0; start < changes.length; start += capacity) {
      yield* this.#writeGroup(changes.slice(start, start + capacity));
    }
  }

  *#writeGroup(changes: readonly MetadataChange[]): Step<void> {
    const sectors = changes.map(({ hostOffset, bytes }) => {
      const whole = new Uint8Array(LOG_SECTOR_BYTES);
      whole.set(bytes);
      return { fileOffset: hostOffset, bytes: whole };
    });
    // Each entry is applied before the next one comes, so that all can begin at the same place.
    const entry = encodeLogEntry({
      sequenceNumber: this.#sequenceNumber,
      logGuid: this.#logGuid!,
      tail: 0,
      fileBytes: this.#storage.sizeBytes,
      sectors,
    });
    this.#sequenceNumber += 1;
    yield* writeBytes(this.#storage, entry, this.#header.logOffset);
    yield* flushStorage(this.#storage);
    for (const { fileOffset, bytes } of sectors) {
      yield* writeBytes(this.#storage, bytes, fileOffset);
    }
    yield* flushStorage(this.#storage);
  }

  /** All is applied: nobody has to look into the log any more. */
  *end(): Step<void> {
    if (this.#logGuid === undefined) return;
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
      dataWriteGuid: logGuid === undefined ? this.#header.dataWriteGuid : randomUuid(),
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
