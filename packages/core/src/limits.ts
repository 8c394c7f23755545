/** Bounds on what an image may make the process do. All can be set when a disk is opened. */
export interface Limits {
  /** Longest chain of images, the opened one included. */
  readonly maxChainLength: number;
  /**
   * Bytes of tables that one image may keep in memory at a time; of a long chain, those far below
   * the opened one get less.
   */
  readonly metadataCacheBytes: number;
  /** Largest single structure that is read whole, in bytes. */
  readonly maxStructureBytes: number;
  /** Bytes of decoded units that one disk keeps for the next small read. */
  readonly decodedCacheBytes: number;
  /**
   * Most iterations that an encrypted image may ask for when a key is derived from a passphrase.
   * Honest ones take the seconds that the machine of their maker took.
   */
  readonly maxKeyIterations: number;
  /**
   * Most bytes that opening a compressed file may decode to find out how large the disk in it is,
   * where the file does not tell.
   */
  readonly maxUnpackedBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxChainLength: 128,
  metadataCacheBytes: 16 * 1024 * 1024,
  maxStructureBytes: 64 * 1024 * 1024,
  decodedCacheBytes: 4 * 1024 * 1024,
  maxKeyIterations: 32_000_000,
  maxUnpackedBytes: 64 * 1024 ** 3,
};
