/** What stands between LZMA2 and the content of a block (".xz file format", section 5.3). */

/** Turns back what a filter has done, piece by piece. */
export interface Filter {
  /**
   * Turns back the start of `bytes` in place, as far as that can be told without what follows; the
   * rest has to come again before what follows. At the end of a block the rest is as it should be.
   * @returns how many bytes are done
   */
  decode(bytes: Uint8Array): number;
}

/** What a block header says of one. */
export interface FilterSpec {
  readonly id: number;
  readonly properties: Uint8Array;
}
