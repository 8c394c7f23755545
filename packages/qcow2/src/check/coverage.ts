/** Regions of a file that may overlap, and how many of them cover each part. */

export interface Region {
  readonly start: number;
  /** Behind the last byte, or whatever is counted. */
  readonly end: number;
}

export interface CoveredPart extends Region {
  readonly times: number;
}

/**
 * Splits regions where one begins or ends. So the work of going through all of them is bounded by
 * what they cover together, however many lie on top of each other.
 */
export function coverage(regions: readonly Region[]): CoveredPart[] {
  const changes = new Map<number, number>();
  const change = (at: number, by: number) => changes.set(at, (changes.get(at) ?? 0) + by);
  for (const { start, end } of regions) {
    if (start >= end) continue;
    change(start, 1);
    change(end, -1);
  }
  const parts: CoveredPart[] = [];
  let times = 0;
  let start = 0;
  for (const [end, by] of [...changes].toSorted(([a], [b]) => a - b)) {
    if (times > 0) parts.push({ start, end, times });
    start = end;
    times += by;
  }
  return parts;
}
