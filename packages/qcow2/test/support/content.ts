/** Descriptions of disk content, and the bytes that a reader must find for them. */

/** One guest cluster, or one subcluster of an extended one. */
export type Kind = 'unallocated' | 'zero' | 'zero-ready' | 'data' | 'compressed';

export interface ClusterSpec {
  readonly kind: Kind;
  /** Seed of the content. */
  readonly fill: number;
  /** Kinds of the 32 subclusters; only for images with extended L2 entries. */
  readonly subclusters?: readonly Exclude<Kind, 'compressed'>[];
}

/** Content of a guest cluster by its seed: not periodic, compresses to about a half. */
export function contentOf(fill: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let state = fill * 2654435761 + 1;
  for (let at = 0; at < lengthBytes; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = (state >>> 16) & 0x0f;
  }
  return bytes;
}

/** Content that compresses well in places, a little in others, and not at all elsewhere. */
export function mixedContentOf(fill: number, lengthBytes: number): Uint8Array {
  const bytes = contentOf(fill, lengthBytes);
  let state = fill * 40_503 + 7;
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8;
  for (let at = 0; at < lengthBytes;) {
    const end = Math.min(lengthBytes, at + 300 + (next() % 3000));
    const kind = next() % 4;
    if (kind === 0) bytes.fill(0, at, end);
    else if (kind === 1) bytes.set(bytes.subarray(at, end).map(next), at);
    at = end;
  }
  return bytes;
}

/** What the disk holds, given what lies below it. */
export function modelOf(
  clusters: readonly ClusterSpec[],
  clusterBytes: number,
  sizeBytes: number,
  below: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const model = new Uint8Array(sizeBytes);
  model.set(below.subarray(0, sizeBytes));
  for (const [index, cluster] of clusters.entries()) {
    const content = contentOf(cluster.fill, clusterBytes);
    const parts = cluster.subclusters ?? [cluster.kind];
    const partBytes = clusterBytes / parts.length;
    for (const [part, kind] of parts.entries()) {
      const start = index * clusterBytes + part * partBytes;
      const end = Math.min(start + partBytes, sizeBytes);
      if (kind === 'unallocated' || start >= end) continue;
      if (kind === 'data' || kind === 'compressed') {
        model.set(content.subarray(part * partBytes, part * partBytes + end - start), start);
      } else model.fill(0, start, end);
    }
  }
  return model;
}
