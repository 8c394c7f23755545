/** What a log does to its file: changes in the order of their time, and what comes of them. */
import { countUpTo } from '@diskfile/bytes';

/** One change of the file. */
export type LogChange =
  | { readonly kind: 'data'; readonly fileOffset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero'; readonly fileOffset: number; readonly lengthBytes: number };

export function endOf(change: LogChange): number {
  return change.fileOffset + (change.kind === 'zero' ? change.lengthBytes : change.bytes.length);
}

/**
 * What is left once later changes have gone over earlier ones: apart from each other, and in the
 * order of the file. So whatever a log holds, nothing of the file is changed twice.
 */
export function settleChanges(changes: readonly LogChange[]): LogChange[] {
  const bounds = sortedBounds(changes);
  const owners = new Int32Array(bounds.length).fill(-1);
  const free = new FreeParts(bounds.length);
  for (let index = changes.length - 1; index >= 0; index--) {
    const change = changes[index]!;
    const end = placeOf(bounds, endOf(change));
    let part = free.from(placeOf(bounds, change.fileOffset));
    for (; part < end; part = free.from(part)) {
      owners[part] = index;
      free.take(part);
    }
  }
  return partsOf(changes, bounds, owners);
}

/** Where changes begin and end, each offset once. */
function sortedBounds(changes: readonly LogChange[]): Float64Array {
  const all = new Float64Array(changes.length * 2);
  for (const [index, change] of changes.entries()) {
    all[index * 2] = change.fileOffset;
    all[index * 2 + 1] = endOf(change);
  }
  return all.toSorted().filter((bound, at, sorted) => at === 0 || bound !== sorted[at - 1]);
}

/** Index of the first bound that is not less than `offset`. */
function placeOf(bounds: Float64Array, offset: number): number {
  return countUpTo(bounds, offset - 1);
}

/** Parts that no change has taken yet; each taken one leads on to the next that may be free. */
class FreeParts {
  readonly #next: Int32Array;

  constructor(count: number) {
    this.#next = Int32Array.from({ length: count + 1 }, (_, part) => part);
  }

  from(part: number): number {
    let free = part;
    while (this.#next[free]! !== free) {
      this.#next[free] = this.#next[this.#next[free]!]!;
      free = this.#next[free]!;
    }
    return free;
  }

  take(part: number): void {
    this.#next[part] = part + 1;
  }
}

function partsOf(
  changes: readonly LogChange[],
  bounds: Float64Array,
  owners: Int32Array,
): LogChange[] {
  const parts: LogChange[] = [];
  for (let part = 0; part + 1 < bounds.length;) {
    const owner = owners[part]!;
    const start = bounds[part]!;
    part += 1;
    if (owner === -1) continue;
    while (owners[part] === owner) part += 1;
    const change = changes[owner]!;
    const end = bounds[part]!;
    if (change.kind === 'zero') {
      parts.push({ kind: 'zero', fileOffset: start, lengthBytes: end - start });
    } else {
      const { fileOffset, bytes } = change;
      const left = bytes.subarray(start - fileOffset, end - fileOffset);
      parts.push({ kind: 'data', fileOffset: start, bytes: left });
    }
  }
  return parts;
}

/** Index of the first change that reaches beyond `offset`, of changes that are settled. */
export function firstChangeAfter(changes: readonly LogChange[], offset: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (endOf(changes[middle]!) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
