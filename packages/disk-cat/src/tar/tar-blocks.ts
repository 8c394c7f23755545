/** Everything in a tar archive comes in blocks. */

export const BLOCK_BYTES = 512;

/** An archive ends with two blocks of zeros; tar programs read records of twenty blocks. */
export const RECORD_BYTES = 20 * BLOCK_BYTES;
