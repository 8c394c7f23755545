/** What the entries of the tables mean: a bare offset, or one with the length of a compressed cluster. */
import { bitField, setBits, testBit } from '@diskfile/bytes';
import { BLOCK, type TableEntries } from '@diskfile/core';
import { corrupt, hex } from './errors.ts';

const SECTOR_BYTES = 512;
const TWO_32 = 0x1_0000_0000;
const COMPRESSED_HIGH = 0x8000_0000;
/** Below it the sum of an offset and any length within an image is exact. */
const OFFSET_LIMIT = 2 ** 52;

export const qcowEntries: TableEntries = {
  littleEndian: false,
  cluster(high, low, entryOffset) {
    if (high === 0 && low === 0) return BLOCK.none;
    if (testBit(high, 31)) return BLOCK.encoded;
    const offset = checkReach(high * TWO_32 + low, entryOffset);
    if (offset % SECTOR_BYTES === 0) return offset;
    throw corrupt(
      'qcow.l2-entry-unaligned',
      `An L2 entry places a cluster at ${hex(offset)}, which is not where a sector begins`,
      entryOffset,
    );
  },
  table: (high, low, entryOffset) => checkReach(high * TWO_32 + low, entryOffset),
};

/** Where the bytes of a compressed cluster are. */
export interface PackedPlace {
  readonly hostOffset: number;
  readonly lengthBytes: number;
}

/** The offset takes the bits below 63 - cluster_bits, the length in bytes those above. */
export function packedPlaceOf(high: number, low: number, clusterBits: number): PackedPlace {
  const highBits = 31 - clusterBits;
  return {
    hostOffset: bitField(high, 0, highBits) * TWO_32 + low,
    lengthBytes: bitField(high, highBits, clusterBits),
  };
}

/** The halves of the entry for a compressed cluster. */
export function packedEntry(
  { hostOffset, lengthBytes }: PackedPlace,
  clusterBits: number,
): { readonly high: number; readonly low: number } {
  const length = lengthBytes * 2 ** (31 - clusterBits);
  const high = setBits(setBits(Math.floor(hostOffset / TWO_32), length), COMPRESSED_HIGH);
  return { high, low: hostOffset % TWO_32 };
}

/** Where compressed clusters have to end, for their offsets to fit. */
export function packedLimit(clusterBits: number): number {
  return 2 ** (63 - clusterBits);
}

function checkReach(offset: number, entryOffset: number): number {
  if (offset < OFFSET_LIMIT) return offset;
  throw corrupt(
    'qcow.offset-too-far',
    `A table entry names the host offset ${hex(offset)}, beyond what any file holds`,
    entryOffset,
  );
}
