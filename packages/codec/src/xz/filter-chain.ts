/** The filters of a block together: what LZMA2 yields goes in, the content comes out. */
import { readU32le } from '@diskfile/bytes';
import { BRANCH_KINDS, BranchFilter } from './branch-filters.ts';
import { brokenXz, unsupportedXz } from './broken-xz.ts';
import { DELTA_ID, DeltaFilter } from './delta-filter.ts';
import type { Filter, FilterSpec } from './filter.ts';
import { X86Filter } from './x86-filter.ts';

const X86_ID = 0x04;

/** @throws DiskError `unsupported`, `corrupt` */
export function makeFilters(specs: readonly FilterSpec[]): Filter[] {
  // They were applied in their order, LZMA2 after them.
  return specs.map(makeFilter).toReversed();
}

function makeFilter({ id, properties }: FilterSpec): Filter {
  if (id === DELTA_ID) return new DeltaFilter(properties);
  if (id === X86_ID) return new X86Filter(startOffset(properties, 1));
  const kind = BRANCH_KINDS.get(id);
  if (kind !== undefined) return new BranchFilter(kind, startOffset(properties, kind.alignment));
  throw unsupportedXz(`has a filter that is not known here (0x${id.toString(16)})`);
}

function startOffset(properties: Uint8Array, alignment: number): number {
  if (properties.length === 0) return 0;
  const offset = properties.length === 4 ? readU32le(properties, 0) : Number.NaN;
  if (offset % alignment === 0) return offset;
  throw brokenXz('a filter has properties that it cannot have');
}

/** Content that is whole in memory. */
export function decodeInPlace(filters: readonly Filter[], bytes: Uint8Array): void {
  for (const filter of filters) filter.decode(bytes);
}

/** Content that comes in pieces. */
export class FilterChain {
  readonly #filters: readonly Filter[];
  /** What each has not been able to decide yet. */
  readonly #held: Uint8Array[];

  constructor(filters: readonly Filter[]) {
    this.#filters = filters;
    this.#held = filters.map(() => new Uint8Array(0));
  }

  /** @param isEnd whether the block ends behind `bytes` */
  push(bytes: Uint8Array, isEnd: boolean): Uint8Array {
    let piece = bytes;
    for (const [index, filter] of this.#filters.entries()) {
      const held = this.#held[index]!;
      const joined = new Uint8Array(held.length + piece.length);
      joined.set(held);
      joined.set(piece, held.length);
      const done = filter.decode(joined);
      this.#held[index] = isEnd ? new Uint8Array(0) : joined.slice(done);
      piece = isEnd ? joined : joined.subarray(0, done);
    }
    return piece;
  }
}
