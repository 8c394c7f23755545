/** The outcome of fast commits: records, ranges and names that go before what is on disk. */
import type { BlockMap } from '../blocks/block-map.ts';
import type { NameChanges } from './name-changes.ts';
import { OverlaidMap, type RangeOverlay } from './range-overlay.ts';

export class FastCommitState {
  /** Inode records by number. */
  readonly records: ReadonlyMap<number, Uint8Array>;
  readonly #ranges: ReadonlyMap<number, RangeOverlay>;
  readonly #names: ReadonlyMap<number, NameChanges>;

  constructor(
    records: ReadonlyMap<number, Uint8Array>,
    ranges: ReadonlyMap<number, RangeOverlay>,
    names: ReadonlyMap<number, NameChanges>,
  ) {
    this.records = records;
    this.#ranges = ranges;
    this.#names = names;
  }

  static readonly none = new FastCommitState(new Map(), new Map(), new Map());

  /** The block map of an inode with the changed ranges on top. */
  withRanges(inode: number, map: BlockMap): BlockMap {
    const ranges = this.#ranges.get(inode);
    return ranges === undefined ? map : new OverlaidMap(ranges, map);
  }

  /** Changes to the names of a directory. */
  namesOf(directoryInode: number): NameChanges | undefined {
    return this.#names.get(directoryInode);
  }
}
