/** What the codes of sequences stand for (RFC 8878, section 3.1.1.3.2.1), and their usual tables. */
import { buildFseTable, type FseTable, type TableLimits } from './fse-table.ts';

/** Lengths by their codes: a base, and how many bits are added to it. */
interface Lengths {
  readonly bases: Uint32Array;
  readonly bitCounts: Uint8Array;
}

/** Up to `plain` codes each is one more than the one before. */
function lengths(first: number, plain: number, bitCounts: readonly number[]): Lengths {
  const all = [...Array.from({ length: plain }, () => 0), ...bitCounts];
  const bases = new Uint32Array(all.length);
  let base = first;
  for (const [code, count] of all.entries()) {
    bases[code] = base;
    base += 2 ** count;
  }
  return { bases, bitCounts: Uint8Array.from(all) };
}

export const LITERAL_LENGTHS = lengths(
  0,
  16,
  [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);
export const MATCH_LENGTHS = lengths(
  3,
  32,
  [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);

/** One of the three kinds of codes. */
export interface CodeKind extends TableLimits {
  /** The table of blocks that describe none. */
  usual(): FseTable;
}

/** Made when it is first asked for: most processes meet no such block. */
function usualTable(probabilities: readonly number[], log: number): () => FseTable {
  let table: FseTable | undefined;
  return () => (table ??= buildFseTable(probabilities, log));
}

const times = (count: number, value: number): number[] =>
  Array.from({ length: count }, () => value);

export const LITERAL_LENGTH_CODES: CodeKind = {
  maxLog: 9,
  maxSymbol: 35,
  usual: usualTable(
    [4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)],
    6,
  ),
};
export const OFFSET_CODES: CodeKind = {
  maxLog: 8,
  maxSymbol: 31,
  usual: usualTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5),
};
export const MATCH_LENGTH_CODES: CodeKind = {
  maxLog: 9,
  maxSymbol: 52,
  usual: usualTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6),
};
