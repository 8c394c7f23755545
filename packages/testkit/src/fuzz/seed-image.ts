/** Valid images to start from, and what is known of their structure. */

/** An integer at a fixed place. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly widthBytes: 1 | 2 | 4 | 8;
  readonly bigEndian: boolean;
}

/** A stretch of integers of one width: a table, or a block whose fields are that wide mostly. */
export interface Region {
  readonly name: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly widthBytes: 1 | 2 | 4 | 8;
  readonly bigEndian: boolean;
}

export interface SeedImage {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Unit in which the format counts: what offsets are likely to be multiples of. */
  readonly unitBytes: number;
  readonly fields: readonly Field[];
  readonly regions: readonly Region[];
  /** Makes checksums right again where a mutant's own fields still lead to them. */
  readonly repair?: (bytes: Uint8Array) => void;
}

/** A seed of which nothing is known but its bytes. */
export function plainSeed(name: string, bytes: Uint8Array): SeedImage {
  return { name, bytes, unitBytes: 512, fields: [], regions: [] };
}

/** Fields of a header at `base`: name, offset within it and width of each. */
export function headerFields(
  base: number,
  bigEndian: boolean,
  list: readonly (readonly [name: string, offset: number, widthBytes: Field['widthBytes']])[],
): Field[] {
  return list.map(([name, offset, widthBytes]) => ({
    name,
    offset: base + offset,
    widthBytes,
    bigEndian,
  }));
}
