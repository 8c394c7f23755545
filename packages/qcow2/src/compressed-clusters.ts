/** Compressed clusters of each type. */
export { CompressedClusters } from '@diskfile/core';

/** What reads and makes the clusters of each compression type. */
export const CODEC_IDS = { zlib: 'deflate-raw', zstd: 'zstd' } as const;
