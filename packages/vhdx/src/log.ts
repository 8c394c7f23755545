/**
 * The log ([MS-VHDX] 2.3): changes of metadata that were made durable before they were applied. What
 * a crash left behind is found here, and applied to the file, or only to what is seen of it.
 */
import { DiskError, formatGuid, readU32le, writeU32le } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { checksumOf, type VhdxHeader } from './header.ts';
import { type LogChange, settleChanges } from './log-changes.ts';
import { corrupt } from './refusals.ts';
import { LOG_SECTOR_BYTES, logDescriptor, logEntryHeader, PLACES } from './structs.ts';

export interface LogReplay {
  /** Apart from each other, in the order of the file. */
  readonly changes: readonly LogChange[];
  /** What the file has to be long enough for when all is applied. */
  readonly fileBytes: number;
}

/** An entry that is whole; its changes are read once it is known that they count. */
interface LogEntry {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly tail: number;
  readonly sequenceNumber: number;
  readonly flushedFileOffset: number;
  readonly lastFileOffset: number;
}

/** Of the log, looked through at a time. */
const PIECE_BYTES = 1024 * 1024;
/** An entry is read at once; far larger than any that is made. */
const MAX_ENTRY_BYTES = 256 * 1024 * 1024;
/** Four times what such a log has room for where each change has data. */
const MAX_CHANGES = 2 ** 18;

/**
 * The changes of the newest whole sequence of entries; undefined when there is nothing to replay.
 * @param asQemu whether a log without any whole sequence is left alone, as QEMU does
 * @throws DiskError `corrupt` when there are entries of the log that the header names, and none is
 *   whole
 */
export function* readLog(
  storage: Storage,
  header: VhdxHeader,
  asQemu = false,
): Step<LogReplay | undefined> {
  const { logGuid, logOffset, logBytes } = header;
  if (logGuid === undefined) return undefined;
  if (logOffset + logBytes > storage.sizeBytes) {
    throw corrupt('vhdx.log-cut', `A log of ${logBytes} bytes at ${logOffset}`, logOffset);
  }
  const ring = new LogRing(storage, logOffset, logBytes);
  const search = yield* findEntries(ring, logGuid);
  const sequence = newestSequence(search.entries, logBytes);
  if (sequence === undefined) {
    // A writer was cut short between naming the log and writing to it: QEMU names it first.
    if (asQemu || !search.hasAny) return undefined;
    throw corrupt(
      'vhdx.log-empty',
      'The header says that the log holds changes, and none is whole',
      logOffset,
    );
  }
  const head = sequence.at(-1)!;
  if (head.flushedFileOffset > storage.sizeBytes) {
    throw corrupt(
      'vhdx.file-cut',
      `The file has ${storage.sizeBytes} bytes, and had ${head.flushedFileOffset} when the log was written`,
      storage.sizeBytes,
    );
  }
  const changes: LogChange[] = [];
  for (const { offset, lengthBytes, sequenceNumber } of sequence) {
    const bytes = yield* ring.read(offset, lengthBytes);
    const { descriptorCount } = logEntryHeader.decode(bytes);
    const found = parseChanges(bytes, descriptorCount, sequenceNumber);
    if (found === undefined) throw changed(logOffset + offset);
    for (const change of found) changes.push(change);
    if (changes.length > MAX_CHANGES) throw tooMany(changes.length, logOffset);
  }
  const settled = settleChanges(changes);
  const [first] = settled;
  // Headers and region tables take turns at two places instead (2.2).
  if (first !== undefined && first.fileOffset < PLACES.end) {
    throw corrupt('vhdx.log-place', 'The log changes the headers', first.fileOffset);
  }
  return { changes: settled, fileBytes: head.lastFileOffset };
}

/** The part of the file that the log takes, whose end is followed by its start. */
class LogRing {
  readonly lengthBytes: number;
  readonly #storage: Storage;
  readonly #hostOffset: number;

  constructor(storage: Storage, hostOffset: number, lengthBytes: number) {
    this.#storage = storage;
    this.#hostOffset = hostOffset;
    this.lengthBytes = lengthBytes;
  }

  *read(offset: number, lengthBytes: number): Step<Uint8Array> {
    const first = Math.min(lengthBytes, this.lengthBytes - offset);
    const start = yield* readBytes(this.#storage, this.#hostOffset + offset, first);
    if (first === lengthBytes) return start;
    const bytes = new Uint8Array(lengthBytes);
    bytes.set(start);
    bytes.set(yield* readBytes(this.#storage, this.#hostOffset, lengthBytes - first), first);
    return bytes;
  }
}

interface LogSearch {
  /** All whole entries, by where they begin. */
  readonly entries: ReadonlyMap<number, LogEntry>;
  /** Whether any entry of the log begins anywhere, whole or not. */
  readonly hasAny: boolean;
}

function* findEntries(ring: LogRing, logGuid: string): Step<LogSearch> {
  const entries = new Map<number, LogEntry>();
  let hasAny = false;
  // Every entry is checked by its checksum; a ring that is full of headers must not cost its square.
  let budget = ring.lengthBytes * 4;
  for (let start = 0; start < ring.lengthBytes; start += PIECE_BYTES) {
    const piece = yield* ring.read(start, Math.min(PIECE_BYTES, ring.lengthBytes - start));
    for (let at = 0; at + LOG_SECTOR_BYTES <= piece.length; at += LOG_SECTOR_BYTES) {
      if (signatureAt(piece, at) !== 'loge') continue;
      // One of an older log, that has been left.
      if (guidAt(piece, at) !== logGuid) continue;
      hasAny = true;
      const lengthBytes = readU32le(piece, at + logEntryHeader.offsetOf('entryLength'));
      if (!isLength(lengthBytes, ring)) continue;
      budget -= lengthBytes;
      if (budget < 0) throw corrupt('vhdx.log-crowded', 'The entries of the log overlap', 0);
      const entry = parseEntry(yield* ring.read(start + at, lengthBytes), start + at);
      if (entry !== undefined) entries.set(start + at, entry);
    }
  }
  return { entries, hasAny };
}

function isLength(lengthBytes: number, ring: LogRing): boolean {
  const most = Math.min(ring.lengthBytes, MAX_ENTRY_BYTES);
  const isWithin = lengthBytes >= LOG_SECTOR_BYTES && lengthBytes <= most;
  return isWithin && lengthBytes % LOG_SECTOR_BYTES === 0;
}

function signatureAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function guidAt(bytes: Uint8Array, at: number): string {
  const start = at + logEntryHeader.offsetOf('logGuid');
  return formatGuid(bytes.subarray(start, start + 16));
}

/** Undefined for an entry that is not whole. */
function parseEntry(bytes: Uint8Array, offset: number): LogEntry | undefined {
  // Before the checksum is known to be right, none of the fields needs to make sense.
  const checksum = readU32le(bytes, logEntryHeader.offsetOf('checksum'));
  if (checksum !== checksumOf(bytes)) return undefined;
  const raw = logEntryHeader.decode(bytes);
  const changes = parseChanges(bytes, raw.descriptorCount, raw.sequenceNumber);
  if (changes === undefined || raw.sequenceNumber === 0) return undefined;
  if (raw.tail % LOG_SECTOR_BYTES !== 0) return undefined;
  return {
    offset,
    lengthBytes: bytes.length,
    tail: raw.tail,
    sequenceNumber: raw.sequenceNumber,
    flushedFileOffset: raw.flushedFileOffset,
    lastFileOffset: raw.lastFileOffset,
  };
}

/** Descriptors come first, in whole sectors; then a data sector for each that has one. */
function parseChanges(
  bytes: Uint8Array,
  descriptorCount: number,
  sequenceNumber: number,
): LogChange[] | undefined {
  const { spanBytes } = logDescriptor;
  const descriptorsEnd = logEntryHeader.spanBytes + descriptorCount * spanBytes;
  let sectorAt = Math.ceil(descriptorsEnd / LOG_SECTOR_BYTES) * LOG_SECTOR_BYTES;
  if (sectorAt > bytes.length) return undefined;
  const changes: LogChange[] = [];
  for (let index = 0; index < descriptorCount; index++) {
    const raw = logDescriptor.decode(bytes, logEntryHeader.spanBytes + index * spanBytes);
    const { fileOffset } = raw;
    const signature = String.fromCharCode(...raw.signature);
    const fits = raw.sequenceNumber === sequenceNumber && fileOffset % LOG_SECTOR_BYTES === 0;
    if (!fits) return undefined;
    if (signature === 'zero') {
      const lengthBytes = readU32le(raw.leadingBytes, 4) * 2 ** 32 + readU32le(raw.leadingBytes, 0);
      if (lengthBytes % LOG_SECTOR_BYTES !== 0) return undefined;
      if (!Number.isSafeInteger(fileOffset + lengthBytes)) return undefined;
      changes.push({ kind: 'zero', fileOffset, lengthBytes });
      continue;
    }
    const sector = bytes.subarray(sectorAt, sectorAt + LOG_SECTOR_BYTES);
    if (signature !== 'desc' || !isDataSector(sector, sequenceNumber)) return undefined;
    sectorAt += LOG_SECTOR_BYTES;
    const data = sector.slice();
    data.set(raw.leadingBytes, 0);
    data.set(raw.trailingBytes, LOG_SECTOR_BYTES - 4);
    changes.push({ kind: 'data', fileOffset, bytes: data });
  }
  return changes;
}

/** The first eight and last four bytes of a data sector are in its descriptor. */
function isDataSector(sector: Uint8Array, sequenceNumber: number): boolean {
  if (sector.length < LOG_SECTOR_BYTES) return false;
  const high = readU32le(sector, 4);
  const low = readU32le(sector, LOG_SECTOR_BYTES - 4);
  return signatureAt(sector, 0) === 'data' && high * 2 ** 32 + low === sequenceNumber;
}

/**
 * The sequence whose last entry is the newest: entries that follow one another, from the tail that
 * the last one names ([MS-VHDX] 2.3.2 "Log Sequence").
 */
function newestSequence(
  entries: ReadonlyMap<number, LogEntry>,
  logBytes: number,
): readonly LogEntry[] | undefined {
  const newestFirst = [...entries.values()].toSorted((a, b) => b.sequenceNumber - a.sequenceNumber);
  let steps = entries.size * 4;
  for (const head of newestFirst) {
    const sequence: LogEntry[] = [];
    let entry = entries.get(head.tail);
    while (entry !== undefined && steps > 0) {
      steps -= 1;
      const last = sequence.at(-1);
      if (last !== undefined && entry.sequenceNumber !== last.sequenceNumber + 1) break;
      sequence.push(entry);
      if (entry === head) return sequence;
      entry = entries.get((entry.offset + entry.lengthBytes) % logBytes);
    }
  }
  return undefined;
}

function changed(offset: number): DiskError {
  return new DiskError('busy', 'vhdx.log-changed', 'The log was changed while it was read', {
    offset,
    hint: 'Close whatever writes the disk, and open it again.',
  });
}

function tooMany(count: number, logOffset: number): DiskError {
  return new DiskError('limit', 'vhdx.log-changes', `The log holds ${count} changes`, {
    offset: logOffset,
    hint: 'Let the program that wrote it open and close the disk once.',
  });
}

export interface NewLogEntry {
  readonly sequenceNumber: number;
  readonly logGuid: Uint8Array;
  /** Place in the log of this entry, and of the oldest that has not been applied. */
  readonly tail: number;
  readonly fileBytes: number;
  readonly sectors: readonly { readonly fileOffset: number; readonly bytes: Uint8Array }[];
}

/** Sectors that one entry of a log can hold. */
export function entryCapacity(logBytes: number): number {
  const perSector = LOG_SECTOR_BYTES + logDescriptor.spanBytes;
  return Math.floor((logBytes - LOG_SECTOR_BYTES - logEntryHeader.spanBytes) / perSector);
}

export function encodeLogEntry(entry: NewLogEntry): Uint8Array {
  const { sectors, sequenceNumber, logGuid, tail, fileBytes } = entry;
  const descriptorsEnd = logEntryHeader.spanBytes + sectors.length * logDescriptor.spanBytes;
  const dataAt = Math.ceil(descriptorsEnd / LOG_SECTOR_BYTES) * LOG_SECTOR_BYTES;
  const bytes = new Uint8Array(dataAt + sectors.length * LOG_SECTOR_BYTES);
  for (const [index, { fileOffset, bytes: data }] of sectors.entries()) {
    const descriptor = {
      signature: ascii('desc'),
      trailingBytes: data.slice(LOG_SECTOR_BYTES - 4),
      leadingBytes: data.slice(0, 8),
      fileOffset,
      sequenceNumber,
    };
    logDescriptor.encode(
      descriptor,
      bytes,
      logEntryHeader.spanBytes + index * logDescriptor.spanBytes,
    );
    const at = dataAt + index * LOG_SECTOR_BYTES;
    bytes.set(data, at);
    bytes.set(ascii('data'), at);
    writeU32le(bytes, at + 4, Math.floor(sequenceNumber / 2 ** 32));
    writeU32le(bytes, at + LOG_SECTOR_BYTES - 4, sequenceNumber % 2 ** 32);
  }
  const header = {
    signature: ascii('loge'),
    checksum: 0,
    entryLength: bytes.length,
    tail,
    sequenceNumber,
    descriptorCount: sectors.length,
    reserved: 0,
    logGuid,
    flushedFileOffset: fileBytes,
    lastFileOffset: fileBytes,
  };
  logEntryHeader.encode(header, bytes);
  logEntryHeader.encode({ ...header, checksum: checksumOf(bytes) }, bytes);
  return bytes;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
