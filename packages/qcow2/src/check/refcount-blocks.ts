/** Checks where the refcount blocks lie, and counts the clusters that they take. */
import { hex } from '../errors.ts';
import type { Findings } from './findings.ts';
import type { References } from './references.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

export interface RefcountBlockPlaces {
  /** Whether the refcounts have to be built anew because blocks are not where they should be. */
  readonly isBroken: boolean;
  /** Host offsets of the blocks whose clusters were counted. */
  readonly counted: readonly number[];
}

/** To be called when all else is counted: a block must have its cluster to itself. */
export function checkRefcountBlocks(
  stored: StoredRefcounts,
  references: References,
  clusterBytes: number,
  findings: Findings,
): RefcountBlockPlaces {
  let isBroken = false;
  const counted: number[] = [];
  const broken = (index: number, problem: string) => {
    isBroken = true;
    findings.damage(1, () => ({
      detail: 'qcow2.check.refcount-block',
      message: `The refcount block ${index} ${problem}`,
      hostOffset: stored.tableOffset + index * 8,
    }));
  };
  for (let index = 0; index < stored.capacity; index++) {
    const hostOffset = stored.blockOffset(index);
    if (stored.hasReservedBits(index)) {
      broken(index, 'has an entry with reserved bits set');
    } else if (stored.isUnaligned(index)) {
      broken(index, `is said to be at ${hex(hostOffset)}, where no cluster begins`);
    } else if (hostOffset / clusterBytes >= references.clusters) {
      broken(index, `is said to be at ${hex(hostOffset)}, beyond the end of the file`);
    } else if (hostOffset !== 0) {
      references.addRegion('refcount block', { hostOffset, lengthBytes: clusterBytes });
      counted.push(hostOffset);
      const count = references.count(hostOffset / clusterBytes);
      if (count !== 1) broken(index, `at ${hex(hostOffset)} is used ${count} times`);
      // Refcounts of one bit count no further, which is found elsewhere.
      else if (references.tally.get(hostOffset / clusterBytes) !== 1) isBroken = true;
    }
  }
  return { isBroken, counted };
}
