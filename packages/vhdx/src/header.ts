/** The two headers of a VHDX file ([MS-VHDX] 2.2.2), of which the newer valid one counts. */
import { crc32c, formatGuid, readU32le } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, unsupported } from './refusals.ts';
import { FILE_SIGNATURE, HEADER_BYTES, MIB, PLACES, vhdxHeader } from './structs.ts';

export interface VhdxHeader {
  /** Which of the two places it was read from. */
  readonly slot: 0 | 1;
  readonly sequenceNumber: number;
  readonly fileWriteGuid: Uint8Array;
  readonly dataWriteGuid: Uint8Array;
  /** Of the entries in the log that count; undefined when there is nothing to replay. */
  readonly logGuid: string | undefined;
  readonly logOffset: number;
  readonly logBytes: number;
}

const NO_GUID = '00000000-0000-0000-0000-000000000000';
const CHECKSUM_AT = 4;

/** CRC-32C over a structure whose own checksum counts as zero. */
export function checksumOf(bytes: Uint8Array): number {
  const blank = bytes.slice();
  blank.fill(0, CHECKSUM_AT, CHECKSUM_AT + 4);
  return crc32c(blank);
}

export function* readHeader(storage: Storage): Step<VhdxHeader> {
  yield* checkSignature(storage);
  const valid: VhdxHeader[] = [];
  for (const slot of [0, 1] as const) {
    const bytes = yield* readBytes(storage, PLACES.headers[slot], HEADER_BYTES);
    // Before the checksum is known to be right, none of the fields needs to make sense.
    const isHeader = String.fromCharCode(...bytes.subarray(0, 4)) === 'head';
    if (!isHeader || readU32le(bytes, CHECKSUM_AT) !== checksumOf(bytes)) continue;
    const raw = vhdxHeader.decode(bytes);
    const logGuid = formatGuid(raw.logGuid);
    if (raw.version !== 1) {
      throw unsupported(
        'vhdx.version',
        `The file has version ${raw.version}`,
        'Version 1 is known.',
      );
    }
    if (logGuid !== NO_GUID && raw.logVersion !== 0) {
      throw unsupported(
        'vhdx.log-version',
        `The log has version ${raw.logVersion}`,
        'Let the program that wrote it open and close the disk once.',
      );
    }
    valid.push({
      slot,
      sequenceNumber: raw.sequenceNumber,
      fileWriteGuid: raw.fileWriteGuid,
      dataWriteGuid: raw.dataWriteGuid,
      logGuid: logGuid === NO_GUID ? undefined : logGuid,
      logOffset: raw.logOffset,
      logBytes: raw.logLength,
    });
  }
  const [first, second] = valid;
  if (first === undefined) {
    throw corrupt('vhdx.no-header', 'Neither of the two headers is whole', PLACES.headers[0]);
  }
  const header =
    second !== undefined && second.sequenceNumber > first.sequenceNumber ? second : first;
  checkLog(header);
  return header;
}

function* checkSignature(storage: Storage): Step<void> {
  const start = yield* readBytes(storage, 0, FILE_SIGNATURE.length);
  if (String.fromCharCode(...start) === FILE_SIGNATURE) return;
  throw corrupt('vhdx.no-signature', 'The file is no VHDX disk', 0);
}

function checkLog({ slot, logOffset, logBytes }: VhdxHeader): void {
  const aligned = logOffset % MIB === 0 && logBytes % MIB === 0;
  if (aligned && logOffset >= PLACES.end && logBytes > 0) return;
  throw corrupt(
    'vhdx.log-place',
    `A log of ${logBytes} bytes at ${logOffset} is not possible`,
    PLACES.headers[slot] + vhdxHeader.offsetOf('logLength'),
  );
}
