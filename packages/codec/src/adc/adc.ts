/**
 * The decoder of ADC ("Apple Data Compression"), of old disk images: runs of plain bytes, and
 * copies from up to 64 KiB back. A stream has no beginning and no end of its own.
 */
import { DiskError, readU16be } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { copyMatch } from '../copy-match.ts';

/** From here on, bytes follow that are copied as they are; one more than the lower bits say. */
const PLAIN = 0x80;
/** From here on, a long copy: six bits of length, 16 of distance. Below, four bits and ten. */
const LONG = 0x40;
const LONG_MIN_BYTES = 4;
const SHORT_MIN_BYTES = 3;

export class AdcDecoder implements Decoder {
  readonly id = 'adc';

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    let srcAt = 0;
    let dstAt = 0;
    while (dstAt < dst.length) {
      const code = src[srcAt];
      if (code === undefined) throw brokenAdc(`it yields ${dstAt} of ${dst.length} bytes`);
      const codeBytes = code >= PLAIN ? 1 : code >= LONG ? 3 : 2;
      if (codeBytes > src.length - srcAt) throw brokenAdc('it ends within an instruction');
      const lengthBytes = lengthOf(code);
      if (lengthBytes > dst.length - dstAt) throw brokenAdc('it yields more bytes than it should');
      const next = srcAt + codeBytes;
      if (code >= PLAIN) {
        if (lengthBytes > src.length - next) throw brokenAdc('it ends within plain bytes');
        dst.set(src.subarray(next, next + lengthBytes), dstAt);
        srcAt = next + lengthBytes;
      } else {
        const distance = distanceAt(src, srcAt, code);
        if (distance > dstAt) throw brokenAdc('a copy reaches too far back');
        copyMatch(dst, dstAt, distance, lengthBytes);
        srcAt = next;
      }
      dstAt += lengthBytes;
    }
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }
}

function lengthOf(code: number): number {
  if (code >= PLAIN) return code - PLAIN + 1;
  if (code >= LONG) return code - LONG + LONG_MIN_BYTES;
  return Math.floor(code / 4) + SHORT_MIN_BYTES;
}

/** The byte before is at distance one, which is written as zero. */
function distanceAt(src: Uint8Array, at: number, code: number): number {
  if (code >= LONG) return readU16be(src, at + 1) + 1;
  return (code % 4) * 256 + src[at + 1]! + 1;
}

function brokenAdc(reason: string): DiskError {
  return new DiskError('corrupt', 'codec.adc-broken', `An ADC stream is broken: ${reason}`);
}
