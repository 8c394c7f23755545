/**
 * LZMA as it stands within LZMA2 chunks ("LZMA specification": literals, matches, the twelve
 * states). What has been decoded is itself the dictionary, so no window is set aside, however large
 * a stream says its own is.
 */
import { copyMatch } from '../copy-match.ts';
import { brokenXz } from './broken-xz.ts';
import { type Probabilities, RangeDecoder, resetProbabilities } from './range-decoder.ts';

const STATES = 12;
const MAX_POSITION_STATES = 16;
/** Below this state, what came last was a literal. */
const FIRST_MATCH_STATE = 7;
const MIN_MATCH_BYTES = 2;
const LITERAL_CODERS = 0x300;
/** LZMA2 allows no more than four bits of literal context and position together. */
const MAX_LITERAL_BITS = 4;

const LENGTH_STATES = 4;
const DISTANCE_SLOT_BITS = 6;
const FIRST_TREE_SLOT = 4;
const FIRST_DIRECT_SLOT = 14;
const ALIGN_BITS = 4;
const TREE_DISTANCES = 128;

/** Hands out views of one array, so that all that is learnt can be reset or copied at once. */
class ProbabilityStore {
  readonly all = new Uint16Array(STORE_LENGTH);
  #used = 0;

  take(count: number): Probabilities {
    this.#used += count;
    return this.all.subarray(this.#used - count, this.#used);
  }
}

/** Of a {@link LengthCoder}: the choice, two trees for each position state, and one for all. */
const LENGTH_CODER_LENGTH = 2 + 2 * (MAX_POSITION_STATES << 3) + (1 << 8);
const STORE_LENGTH =
  (LITERAL_CODERS << MAX_LITERAL_BITS) +
  2 * STATES * MAX_POSITION_STATES +
  4 * STATES +
  (LENGTH_STATES << DISTANCE_SLOT_BITS) +
  TREE_DISTANCES +
  (1 << ALIGN_BITS) +
  2 * LENGTH_CODER_LENGTH;

/** The probabilities by which lengths of matches are coded: a choice, then one of three trees. */
class LengthCoder {
  readonly #choice: Probabilities;
  readonly #low: Probabilities;
  readonly #mid: Probabilities;
  readonly #high: Probabilities;

  constructor(store: ProbabilityStore) {
    this.#choice = store.take(2);
    this.#low = store.take(MAX_POSITION_STATES << 3);
    this.#mid = store.take(MAX_POSITION_STATES << 3);
    this.#high = store.take(1 << 8);
  }

  decode(range: RangeDecoder, positionState: number): number {
    if (range.bit(this.#choice, 0) === 0) {
      return MIN_MATCH_BYTES + range.tree(this.#low, positionState << 3, 3);
    }
    if (range.bit(this.#choice, 1) === 0) {
      return MIN_MATCH_BYTES + 8 + range.tree(this.#mid, positionState << 3, 3);
    }
    return MIN_MATCH_BYTES + 16 + range.tree(this.#high, 0, 8);
  }
}

/** What a decoder has learnt, between two runs. */
export interface LzmaState {
  readonly probabilities: Uint16Array;
  readonly properties: number;
  readonly state: number;
  readonly reps: readonly [number, number, number, number];
}

/** Decodes runs of one LZMA stream after each other into one array. */
export class LzmaDecoder {
  readonly #range = new RangeDecoder();
  readonly #store = new ProbabilityStore();
  readonly #literals = this.#store.take(LITERAL_CODERS << MAX_LITERAL_BITS);
  readonly #isMatch = this.#store.take(STATES * MAX_POSITION_STATES);
  readonly #isRep = this.#store.take(STATES);
  readonly #isRepG0 = this.#store.take(STATES);
  readonly #isRepG1 = this.#store.take(STATES);
  readonly #isRepG2 = this.#store.take(STATES);
  readonly #isRep0Long = this.#store.take(STATES * MAX_POSITION_STATES);
  readonly #distanceSlots = this.#store.take(LENGTH_STATES << DISTANCE_SLOT_BITS);
  readonly #distances = this.#store.take(TREE_DISTANCES);
  readonly #align = this.#store.take(1 << ALIGN_BITS);
  readonly #matchLength = new LengthCoder(this.#store);
  readonly #repLength = new LengthCoder(this.#store);
  #properties = 0;
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;

  /** Takes on `(pb * 5 + lp) * 9 + lc`; {@link resetState} has to follow. */
  setProperties(properties: number): void {
    const literalContextBits = properties % 9;
    const literalPositionBits = Math.floor(properties / 9) % 5;
    const positionBits = Math.floor(properties / 45);
    if (positionBits > 4 || literalContextBits + literalPositionBits > MAX_LITERAL_BITS) {
      throw brokenXz(`there are no LZMA properties ${properties}`);
    }
    this.#properties = properties;
    this.#literalContextBits = literalContextBits;
    this.#literalPositionMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << positionBits) - 1;
  }

  resetState(): void {
    this.#state = 0;
    this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
    resetProbabilities(this.#store.all);
  }

  saveState(): LzmaState {
    return {
      probabilities: this.#store.all.slice(),
      properties: this.#properties,
      state: this.#state,
      reps: [this.#rep0, this.#rep1, this.#rep2, this.#rep3],
    };
  }

  restoreState({ probabilities, properties, state, reps }: LzmaState): void {
    this.setProperties(properties);
    this.#store.all.set(probabilities);
    this.#state = state;
    [this.#rep0, this.#rep1, this.#rep2, this.#rep3] = reps;
  }

  /**
   * Decodes the bytes of `src` from `start` to `end`, all of them, into `dst` from `dstAt` up to
   * `dstEnd`, all of it. Positions count from `dictionaryStart`, which may lie before `dst`. Matches
   * reach back to it, or to the start of `dst`.
   */
  decode(
    src: Uint8Array,
    start: number,
    end: number,
    dst: Uint8Array,
    dstAt: number,
    dstEnd: number,
    dictionaryStart: number,
  ): void {
    const range = this.#range;
    const floor = Math.max(dictionaryStart, 0);
    range.start(src, start, end);
    let at = dstAt;
    while (at < dstEnd) {
      const positionState = (at - dictionaryStart) & this.#positionMask;
      const stateAt = this.#state * MAX_POSITION_STATES + positionState;
      if (range.bit(this.#isMatch, stateAt) === 0) {
        dst[at] = this.#decodeLiteral(dst, at, dictionaryStart);
        at += 1;
        continue;
      }
      const lengthBytes =
        range.bit(this.#isRep, this.#state) === 0
          ? this.#decodeMatch(positionState)
          : this.#decodeRep(positionState, stateAt);
      if (this.#rep0 >= at - floor) throw brokenXz('a match reaches too far back');
      if (lengthBytes > dstEnd - at) throw brokenXz('a match is longer than its chunk');
      copyMatch(dst, at, this.#rep0 + 1, lengthBytes);
      at += lengthBytes;
    }
    range.finish();
  }

  #decodeLiteral(dst: Uint8Array, at: number, dictionaryStart: number): number {
    const range = this.#range;
    const probabilities = this.#literals;
    const position = at - dictionaryStart;
    const previous = position === 0 ? 0 : dst[at - 1]!;
    const context =
      ((position & this.#literalPositionMask) << this.#literalContextBits) +
      (previous >>> (8 - this.#literalContextBits));
    const base = context * LITERAL_CODERS;
    const state = this.#state;
    let symbol = 1;
    if (state >= FIRST_MATCH_STATE) {
      if (this.#rep0 >= at - Math.max(dictionaryStart, 0))
        throw brokenXz('a match reaches too far back');
      // As long as bits agree with the byte at the last distance, that is the context.
      let expected = dst[at - this.#rep0 - 1]!;
      do {
        const expectedBit = (expected >>> 7) & 1;
        expected <<= 1;
        const bit = range.bit(probabilities, base + ((1 + expectedBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expectedBit) break;
      } while (symbol < 0x100);
    }
    symbol = range.goDown(probabilities, base, symbol, 0x100);
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    return symbol & 0xff;
  }

  /** A match at a distance of its own. Returns how long it is. */
  #decodeMatch(positionState: number): number {
    this.#rep3 = this.#rep2;
    this.#rep2 = this.#rep1;
    this.#rep1 = this.#rep0;
    const lengthBytes = this.#matchLength.decode(this.#range, positionState);
    this.#state = this.#state < FIRST_MATCH_STATE ? 7 : 10;
    this.#rep0 = this.#decodeDistance(lengthBytes);
    return lengthBytes;
  }

  /** A match at one of the last four distances. Returns how long it is. */
  #decodeRep(positionState: number, stateAt: number): number {
    const range = this.#range;
    const state = this.#state;
    const afterLiteral = state < FIRST_MATCH_STATE;
    if (range.bit(this.#isRepG0, state) === 0) {
      if (range.bit(this.#isRep0Long, stateAt) === 0) {
        this.#state = afterLiteral ? 9 : 11;
        return 1;
      }
    } else {
      this.#chooseRep(state);
    }
    this.#state = afterLiteral ? 8 : 11;
    return this.#repLength.decode(range, positionState);
  }

  /** Brings the second, third or fourth of the last distances to the front. */
  #chooseRep(state: number): void {
    let distance = this.#rep1;
    if (this.#range.bit(this.#isRepG1, state) === 1) {
      distance = this.#rep2;
      if (this.#range.bit(this.#isRepG2, state) === 1) {
        distance = this.#rep3;
        this.#rep3 = this.#rep2;
      }
      this.#rep2 = this.#rep1;
    }
    this.#rep1 = this.#rep0;
    this.#rep0 = distance;
  }

  /** One less than how many bytes a match of a given length lies back. */
  #decodeDistance(lengthBytes: number): number {
    const range = this.#range;
    const lengthState = Math.min(lengthBytes - MIN_MATCH_BYTES, LENGTH_STATES - 1);
    const slot = range.tree(
      this.#distanceSlots,
      lengthState << DISTANCE_SLOT_BITS,
      DISTANCE_SLOT_BITS,
    );
    if (slot < FIRST_TREE_SLOT) return slot;
    const lowBits = (slot >>> 1) - 1;
    const high = (2 | (slot & 1)) << lowBits;
    if (slot < FIRST_DIRECT_SLOT) {
      return high + range.reverseTree(this.#distances, high - slot, lowBits);
    }
    const middle = range.direct(lowBits - ALIGN_BITS) << ALIGN_BITS;
    return (high + middle + range.reverseTree(this.#align, 0, ALIGN_BITS)) >>> 0;
  }
}
