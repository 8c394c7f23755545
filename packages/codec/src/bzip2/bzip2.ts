/**
 * The decoder of bzip2.
 *
 * It is code of our own since `seek-bzip`, the best kept package, makes its buffers with a
 * constructor that Node has deprecated and browsers lack, calls a function for each byte that comes
 * out, and takes twice the time.
 */
import { crc32BigEndianRaw, xorBits } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';
import { BitReader } from './bit-reader.ts';
import { readBlock } from './block.ts';
import { brokenBzip2 } from './broken-bzip2.ts';
import { expandRuns } from './run-lengths.ts';

/** "BZh", then the digit of the level. */
const MAGIC = 0x42_5a68;
const LEVEL_BYTES = 100_000;
const MAX_LEVEL = 9;
/** The digits of pi before a block, those of its root before the end; 24 bits of each at a time. */
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

/** Decodes one stream, which has to yield exactly the output. */
export class Bzip2Decoder implements Decoder {
  readonly id = 'bzip2';
  /** Room for the longest block, made when the first is decoded. */
  #links = new Uint32Array(0);

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    const bits = new BitReader(src);
    const links = this.#linksFor(readLevel(bits));
    let dstAt = 0;
    let combinedCrc = 0;
    while (isAtBlock(bits)) {
      const block = readBlock(bits, links);
      const end = expandRuns(block, dst, dstAt);
      const crc = xorBits(crc32BigEndianRaw(dst.subarray(dstAt, end), 0xffff_ffff), 0xffff_ffff);
      if (crc !== block.crc) throw brokenBzip2('the checksum of a block does not match');
      combinedCrc = xorBits((combinedCrc << 1) | (combinedCrc >>> 31), crc);
      dstAt = end;
    }
    if (bits.readU32() !== combinedCrc) throw brokenBzip2('its checksum does not match');
    bits.requireWithin();
    if (dstAt < dst.length) throw brokenBzip2(`it yields ${dstAt} of ${dst.length} bytes`);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    this.decodeSync(src, dst);
  }

  #linksFor(level: number): Uint32Array {
    const blockBytes = level * LEVEL_BYTES;
    if (this.#links.length < blockBytes) this.#links = new Uint32Array(blockBytes);
    return this.#links.subarray(0, blockBytes);
  }
}

function readLevel(bits: BitReader): number {
  const magic = bits.read(24);
  const level = bits.read(8) - 0x30;
  bits.requireWithin();
  if (magic !== MAGIC || level < 1 || level > MAX_LEVEL) {
    throw brokenBzip2('it does not begin as one');
  }
  return level;
}

/** Whether a block follows, and not the end. */
function isAtBlock(bits: BitReader): boolean {
  const high = bits.read(24);
  const low = bits.read(24);
  bits.requireWithin();
  if (high === BLOCK_MAGIC[0] && low === BLOCK_MAGIC[1]) return true;
  if (high === END_MAGIC[0] && low === END_MAGIC[1]) return false;
  throw brokenBzip2('neither a block nor its end follows where one should');
}
