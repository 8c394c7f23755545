/** LZ4 blocks ("LZ4 Block Format Description"): sequences of literals and a match each. */
import { DiskError, readU16le } from '@diskfile/bytes';

/** Of a token: four bits each for the lengths of literals and match. */
const LONG = 15;
const MIN_MATCH_BYTES = 4;

export function brokenLz4(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.lz4-broken', `An LZ4 block is broken: ${reason}`);
}

/**
 * Decodes all of `src` to `dst` from `dstStart` on. Matches reach back into what is before, as far
 * as `historyStart`.
 * @returns where the output ends
 * @throws DiskError `corrupt` for a broken block, or one that does not fit
 */
export function decodeLz4Block(
  src: Uint8Array,
  dst: Uint8Array,
  dstStart: number,
  historyStart: number,
): number {
  let at = 0;
  let to = dstStart;
  for (;;) {
    if (at >= src.length) throw brokenLz4('it ends within a sequence');
    const token = src[at++]!;
    let literals = token >>> 4;
    if (literals === LONG) {
      let more: number;
      do {
        if (at >= src.length) throw brokenLz4('it ends within a length');
        more = src[at++]!;
        literals += more;
      } while (more === 255);
    }
    if (literals > src.length - at) throw brokenLz4('it ends within literals');
    if (literals > dst.length - to) throw brokenLz4('it yields more bytes than it should');
    copy(src, at, dst, to, literals);
    at += literals;
    to += literals;
    // Only the last sequence has no match.
    if (at === src.length) return to;
    if (at + 2 > src.length) throw brokenLz4('it ends within a sequence');
    const offset = readU16le(src, at);
    at += 2;
    let length = (token & LONG) + MIN_MATCH_BYTES;
    if (length === LONG + MIN_MATCH_BYTES) {
      let more: number;
      do {
        if (at >= src.length) throw brokenLz4('it ends within a length');
        more = src[at++]!;
        length += more;
      } while (more === 255);
    }
    if (offset === 0 || offset > to - historyStart) throw brokenLz4('a match reaches too far back');
    if (length > dst.length - to) throw brokenLz4('it yields more bytes than it should');
    copyMatch(dst, to, offset, length);
    to += length;
  }
}

/** Shorter runs are copied faster byte by byte than by a call. */
const SHORT_BYTES = 32;

function copy(src: Uint8Array, from: number, dst: Uint8Array, to: number, length: number): void {
  if (length > SHORT_BYTES) dst.set(src.subarray(from, from + length), to);
  else for (let index = 0; index < length; index++) dst[to + index] = src[from + index]!;
}

/** Where a match overlaps itself, what is there already is repeated, twice as much each time. */
function copyMatch(dst: Uint8Array, to: number, offset: number, length: number): void {
  if (length <= SHORT_BYTES) {
    for (let index = 0; index < length; index++) dst[to + index] = dst[to - offset + index]!;
    return;
  }
  const from = to - offset;
  let done = 0;
  while (done < length) {
    const step = Math.min(offset + done, length - done);
    dst.copyWithin(to + done, from, from + step);
    done += step;
  }
}
