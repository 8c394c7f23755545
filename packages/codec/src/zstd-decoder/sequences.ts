/** The sequences of a block (RFC 8878, section 3.1.1.3.2): literals and matches in turns. */
import { brokenZstd, ZSTD_MAX_BLOCK_BYTES } from '@diskfile/bytes';
import { BackwardBits } from './bit-readers.ts';
import { type FseTable, readFseTable, singleSymbol } from './fse-table.ts';
import {
  type CodeKind,
  LITERAL_LENGTH_CODES,
  LITERAL_LENGTHS,
  MATCH_LENGTH_CODES,
  MATCH_LENGTHS,
  OFFSET_CODES,
} from './sequence-codes.ts';

const MODE = { usual: 0, single: 1, described: 2, repeated: 3 } as const;

/** Where what is decoded goes, behind all that matches can refer to. */
export interface Output {
  readonly bytes: Uint8Array;
  at: number;
}

interface Header {
  readonly count: number;
  readonly at: number;
}

export class Sequences {
  readonly #bits = new BackwardBits();
  #literalLengths: FseTable | undefined;
  #offsets: FseTable | undefined;
  #matchLengths: FseTable | undefined;
  /** The last three offsets, of which the newest comes first. */
  #first = 1;
  #second = 4;
  #third = 8;
  #tableEnd = 0;

  /** Decodes the section between `start` and `end`, and puts the block together. */
  decode(src: Uint8Array, start: number, end: number, literals: Uint8Array, output: Output): void {
    const { count, at } = readCount(src, start, end);
    const blockEnd = output.at + ZSTD_MAX_BLOCK_BYTES;
    let literalAt = 0;
    if (count > 0) {
      this.#readTables(src, at, end);
      literalAt = this.#execute(src, end, { count, literals, output, blockEnd });
    } else if (at !== end) throw brokenZstd('something follows the last literal of a block');
    const rest = literals.subarray(literalAt);
    if (output.at + rest.length > blockEnd) throw tooLong();
    output.bytes.set(rest, output.at);
    output.at += rest.length;
  }

  #readTables(src: Uint8Array, start: number, end: number): void {
    const modes = src[start]!;
    if (start >= end || (modes & 3) !== 0) throw brokenZstd('the modes of a block are unknown');
    this.#tableEnd = start + 1;
    const read = (mode: number, kind: CodeKind, last: FseTable | undefined): FseTable => {
      if (mode === MODE.usual) return kind.usual();
      if (mode === MODE.repeated) {
        if (last !== undefined) return last;
        throw brokenZstd('a block repeats a table that there is not');
      }
      const at = this.#tableEnd;
      if (mode === MODE.described) {
        const described = readFseTable(src, at, end, kind);
        this.#tableEnd = described.end;
        return described.table;
      }
      const symbol = at < end ? src[at]! : Number.NaN;
      if (!(symbol <= kind.maxSymbol)) throw brokenZstd('there is no such code');
      this.#tableEnd += 1;
      return singleSymbol(symbol);
    };
    this.#literalLengths = read(modes >>> 6, LITERAL_LENGTH_CODES, this.#literalLengths);
    this.#offsets = read((modes >>> 4) & 3, OFFSET_CODES, this.#offsets);
    this.#matchLengths = read((modes >>> 2) & 3, MATCH_LENGTH_CODES, this.#matchLengths);
  }

  /** @returns how many literals were used */
  #execute(
    src: Uint8Array,
    end: number,
    block: { count: number; literals: Uint8Array; output: Output; blockEnd: number },
  ): number {
    const { count, literals, output, blockEnd } = block;
    const bits = this.#bits;
    const [forLiterals, forOffsets, forMatches] = [
      this.#literalLengths!,
      this.#offsets!,
      this.#matchLengths!,
    ];
    bits.begin(src, this.#tableEnd, end);
    let literalState = bits.read(forLiterals.log);
    let offsetState = bits.read(forOffsets.log);
    let matchState = bits.read(forMatches.log);
    let literalAt = 0;
    const { bytes } = output;
    let at = output.at;
    for (let index = 1; ; index++) {
      const offsetCode = forOffsets.symbols[offsetState]!;
      const matchCode = forMatches.symbols[matchState]!;
      const literalCode = forLiterals.symbols[literalState]!;
      const offsetValue = 2 ** offsetCode + bits.read(offsetCode);
      const matchLength =
        MATCH_LENGTHS.bases[matchCode]! + bits.read(MATCH_LENGTHS.bitCounts[matchCode]!);
      const literalLength =
        LITERAL_LENGTHS.bases[literalCode]! + bits.read(LITERAL_LENGTHS.bitCounts[literalCode]!);
      if (bits.left < 0) throw brokenZstd('a block ends within a sequence');
      const offset = this.#offsetOf(offsetValue, literalLength);
      const literalEnd = literalAt + literalLength;
      if (literalEnd > literals.length) throw brokenZstd('a block has too few literals');
      if (at + literalLength + matchLength > blockEnd) throw tooLong();
      for (; literalAt < literalEnd; literalAt++) bytes[at++] = literals[literalAt]!;
      if (offset > at || offset === 0) throw brokenZstd('a match begins before its frame');
      copyMatch(bytes, at, offset, matchLength);
      at += matchLength;
      if (index === count) break;
      literalState =
        forLiterals.bases[literalState]! + bits.read(forLiterals.bitCounts[literalState]!);
      matchState = forMatches.bases[matchState]! + bits.read(forMatches.bitCounts[matchState]!);
      offsetState = forOffsets.bases[offsetState]! + bits.read(forOffsets.bitCounts[offsetState]!);
    }
    if (bits.left !== 0) throw brokenZstd('a block does not end with its last sequence');
    output.at = at;
    return literalAt;
  }

  /** Section 3.1.1.5, "Repeat Offsets". */
  #offsetOf(value: number, literalLength: number): number {
    if (value > 3) {
      this.#third = this.#second;
      this.#second = this.#first;
      return (this.#first = value - 3);
    }
    const which = literalLength === 0 ? value + 1 : value;
    if (which === 1) return this.#first;
    const offset = which === 2 ? this.#second : which === 3 ? this.#third : this.#first - 1;
    if (which > 2) this.#third = this.#second;
    this.#second = this.#first;
    return (this.#first = offset);
  }
}

function readCount(src: Uint8Array, start: number, end: number): Header {
  const first = start < end ? src[start]! : Number.NaN;
  const lengthBytes = first < 128 ? 1 : first < 255 ? 2 : 3;
  if (!(start + lengthBytes <= end) || Number.isNaN(first)) {
    throw brokenZstd('a block has no sequences');
  }
  const at = start + lengthBytes;
  if (first < 128) return { count: first, at };
  if (first < 255) return { count: (first - 128) * 256 + src[start + 1]!, at };
  return { count: src[start + 1]! + src[start + 2]! * 256 + 0x7f00, at };
}

/** A match may reach into itself, and repeats what it finds then. */
function copyMatch(bytes: Uint8Array, at: number, offset: number, lengthBytes: number): void {
  if (offset >= lengthBytes && lengthBytes > 32) {
    bytes.copyWithin(at, at - offset, at - offset + lengthBytes);
    return;
  }
  for (let to = at; to < at + lengthBytes; to++) bytes[to] = bytes[to - offset]!;
}

function tooLong() {
  return brokenZstd(`a block yields more than ${ZSTD_MAX_BLOCK_BYTES} bytes`);
}
