/** The header of a gzip member (RFC 1952, section 2.3). */
import { DiskError, hasAnyBit, readU16le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { ByteInput } from '../byte-input.ts';

const FIXED_BYTES = 10;
const DEFLATE = 8;
const FLAG = { header_crc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 } as const;
/** Names and comments that are longer are no such thing. */
const MAX_TEXT_BYTES = 64 * 1024;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Passes over the header. @throws DiskError `corrupt`, `unsupported` */
export function* skipMemberHeader(input: ByteInput): Step<void> {
  const { offset } = input;
  const fixed = yield* input.take(FIXED_BYTES);
  if (!isGzip(fixed)) throw broken('No member begins where one should', offset);
  if (fixed[2] !== DEFLATE) {
    throw new DiskError('unsupported', 'gzip.method', `A gzip file of method ${fixed[2]}`, {
      offset,
    });
  }
  const flags = fixed[3]!;
  if (hasAnyBit(flags, FLAG.reserved)) throw broken('A reserved flag is set', offset);
  if (hasAnyBit(flags, FLAG.extra)) {
    const lengthBytes = readU16le(yield* input.take(2), 0);
    yield* input.take(lengthBytes);
  }
  if (hasAnyBit(flags, FLAG.name)) yield* skipText(input);
  if (hasAnyBit(flags, FLAG.comment)) yield* skipText(input);
  if (hasAnyBit(flags, FLAG.header_crc)) yield* input.take(2);
}

function* skipText(input: ByteInput): Step<void> {
  const { offset } = input;
  const bytes = yield* input.peek(MAX_TEXT_BYTES);
  const end = bytes.indexOf(0);
  if (end < 0) throw broken('A name in a header does not end', offset);
  input.skip(end + 1);
}

export function broken(message: string, offset: number): DiskError {
  return new DiskError('corrupt', 'gzip.broken', message, {
    offset,
    hint: 'Copy or download the file anew; gzip -t tells more.',
  });
}
