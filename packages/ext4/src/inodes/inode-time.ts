/** Times of inodes ("Inode Timestamps"): 34-bit seconds around 1970 and nanoseconds. */
import { bitField, maskBits, readU32le } from '@diskfile/bytes';
import type { Timestamp } from '@diskfile/core';

/**
 * @param seconds the 32-bit field, signed on disk
 * @param extra the `_extra` field: two bits that extend the seconds, 30 bits of nanoseconds
 */
export function decodeInodeTime(seconds: number, extra: number): Timestamp {
  const signed = seconds >= 2 ** 31 ? seconds - 2 ** 32 : seconds;
  return {
    seconds: signed + maskBits(extra, 3) * 2 ** 32,
    nanoseconds: bitField(extra, 2, 30),
  };
}

/** The time in the fields at two offsets of an inode record; `extraAt` where there is such a field. */
export function readInodeTime(
  record: Uint8Array,
  secondsAt: number,
  extraAt: number | undefined,
): Timestamp {
  const extra = extraAt === undefined ? 0 : readU32le(record, extraAt);
  return decodeInodeTime(readU32le(record, secondsAt), extra);
}
