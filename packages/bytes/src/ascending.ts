/** Searching numbers that are in order. */

/** How many of some ascending numbers are `most` or less: the index of the first one above it. */
export function countUpTo(ascending: ArrayLike<number>, most: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (ascending[middle]! <= most) low = middle + 1;
    else high = middle;
  }
  return low;
}
