/**
 * Compressed blocks of LZFSE: literals in four streams side by side, then triples of how many
 * literals to copy (L), and how long (M) and how far back (D) a match is.
 */
import { copyMatch } from '../copy-match.ts';
import { BackwardBits } from './backward-bits.ts';
import {
  type BlockHeader,
  D_STATES,
  L_STATES,
  LITERAL_STATES,
  LITERAL_STREAMS,
  M_STATES,
  MAX_LITERALS,
} from './block-header.ts';
import { brokenLzfse } from './broken-lzfse.ts';
import { FseTable, type ValueCode } from './fse-table.ts';

/** Symbols of the first sixteen values stand for themselves. */
const SMALL = Array.from({ length: 16 }, (_, index) => index);
const NO_BITS = SMALL.map(() => 0);
const L_CODE: ValueCode = { bases: [...SMALL, 16, 20, 28, 60], bits: [...NO_BITS, 2, 3, 5, 8] };
const M_CODE: ValueCode = { bases: [...SMALL, 16, 24, 56, 312], bits: [...NO_BITS, 3, 5, 8, 11] };
const D_CODE = distanceCode();

/** Four symbols each with no bits, one bit, two … fifteen. */
function distanceCode(): ValueCode {
  const bases: number[] = [];
  const bits: number[] = [];
  let base = 0;
  for (let symbol = 0; symbol < 64; symbol++) {
    bases.push(base);
    bits.push(symbol >>> 2);
    base += 1 << (symbol >>> 2);
  }
  return { bases, bits };
}

/** Decodes compressed blocks; its tables are filled anew for each. */
export class CompressedBlockDecoder {
  readonly #literals = new Uint8Array(MAX_LITERALS);
  readonly #literalTable = new FseTable(LITERAL_STATES);
  readonly #lTable = new FseTable(L_STATES);
  readonly #mTable = new FseTable(M_STATES);
  readonly #dTable = new FseTable(D_STATES);

  /** Decodes the payloads at `at` into `dst` from `start` up to `end`, all of it. */
  decode(
    header: BlockHeader,
    src: Uint8Array,
    at: number,
    dst: Uint8Array,
    start: number,
    end: number,
  ): void {
    const literalEnd = at + header.literalPayloadBytes;
    const lmdEnd = literalEnd + header.lmdPayloadBytes;
    if (header.literalCount > 0) {
      const bits = new BackwardBits(src, at, literalEnd, header.literalUnusedBits);
      this.#literalTable.fill(header.frequencies.literal, undefined);
      this.#decodeLiterals(header, bits);
    }
    let filled = start;
    if (header.matchCount > 0) {
      const bits = new BackwardBits(src, literalEnd, lmdEnd, header.lmdUnusedBits);
      this.#lTable.fill(header.frequencies.l, L_CODE);
      this.#mTable.fill(header.frequencies.m, M_CODE);
      this.#dTable.fill(header.frequencies.d, D_CODE);
      filled = this.#decodeMatches(header, bits, dst, start, end);
    }
    if (filled !== end) throw brokenLzfse('a block yields fewer bytes than it says');
  }

  #decodeLiterals(header: BlockHeader, bits: BackwardBits): void {
    const table = this.#literalTable;
    const states = Uint16Array.from(header.literalStates);
    for (let index = 0; index < header.literalCount; index += LITERAL_STREAMS) {
      for (let stream = 0; stream < LITERAL_STREAMS; stream++) {
        const state = states[stream]!;
        this.#literals[index + stream] = table.valueOf(state);
        states[stream] = table.next(state, bits);
      }
    }
  }

  /** Returns how far `dst` is filled. */
  #decodeMatches(
    header: BlockHeader,
    bits: BackwardBits,
    dst: Uint8Array,
    start: number,
    end: number,
  ): number {
    let { lState, mState, dState } = header;
    let literalAt = 0;
    let distance = 0;
    let at = start;
    for (let count = 0; count < header.matchCount; count++) {
      const lNext = this.#lTable.next(lState, bits);
      const literalBytes = this.#lTable.valueOf(lState) + this.#lTable.extra;
      lState = lNext;
      const mNext = this.#mTable.next(mState, bits);
      const matchBytes = this.#mTable.valueOf(mState) + this.#mTable.extra;
      mState = mNext;
      const dNext = this.#dTable.next(dState, bits);
      const newDistance = this.#dTable.valueOf(dState) + this.#dTable.extra;
      dState = dNext;
      if (newDistance !== 0) distance = newDistance;
      if (literalBytes + matchBytes > end - at) {
        throw brokenLzfse('a block yields more bytes than it says');
      }
      if (literalBytes > header.literalCount - literalAt) throw brokenLzfse('literals run out');
      for (let index = 0; index < literalBytes; index++) {
        dst[at + index] = this.#literals[literalAt + index]!;
      }
      literalAt += literalBytes;
      at += literalBytes;
      if (matchBytes === 0) continue;
      if (distance === 0 || distance > at) throw brokenLzfse('a match reaches too far back');
      copyMatch(dst, at, distance, matchBytes);
      at += matchBytes;
    }
    return at;
  }
}
