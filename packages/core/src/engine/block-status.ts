/** What a disk holds where, without reading guest data: the answer of `qemu-img map`. */
import { DiskError } from '@diskfile/bytes';
import type { ExtentMap } from '../format/format-image.ts';
import type { Step } from '../step.ts';
import { dataStatus } from './data-status.ts';
import type { Extent } from './extent.ts';

import type { MappedReader } from './mapped-reader.ts';

export interface BlockStatus {
  readonly guestOffset: number;
  readonly lengthBytes: number;
  /** Whether bytes are stored for the range, in a cluster or in the host's file. */
  readonly data: boolean;
  /**
   * Whether the range is known to read as zeros, so that it need not be read. Together with `data`
   * it means a cluster whose place in the host's file is a hole.
   */
  readonly zero: boolean;
  /** Whether some image of the chain says what is here; otherwise it is zeros by default. */
  readonly allocated: boolean;
  /**
   * Image of the chain that answers: 0 for the opened one, 1 for its backing image, … Where none
   * does, the lowest one that is long enough.
   */
  readonly depth: number;
  readonly compressed: boolean;
  /** Host file and offset of the bytes or of the clusters kept ready for them. */
  readonly storageName: string | undefined;
  readonly hostOffset: number | undefined;
}

/**
 * Extents that one status joins. An image of a few MiB can say the same of 2^32 clusters one by
 * one, and nobody waits for that.
 */
const MAX_MERGED_EXTENTS = 4096;

/** The next range of equal status from `guestOffset`, at most `lengthBytes` long. */
export function* nextBlockStatus(
  reader: MappedReader,
  layers: readonly ExtentMap[],
  guestOffset: number,
  lengthBytes: number,
): Step<BlockStatus> {
  const first = describe(yield* reader.resolve(guestOffset, lengthBytes), layers, guestOffset);
  let end = guestOffset + first.lengthBytes;
  const limit = guestOffset + lengthBytes;
  for (let merged = 1; merged < MAX_MERGED_EXTENTS && end < limit; merged++) {
    let next: BlockStatus;
    try {
      next = describe(yield* reader.resolve(end, limit - end), layers, end);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // Damage behind the range says nothing of it: whoever asks for what is there is told.
      break;
    }
    if (!continues(first, next)) break;
    end += next.lengthBytes;
  }
  return { ...first, lengthBytes: end - guestOffset };
}

function describe(extent: Extent, layers: readonly ExtentMap[], guestOffset: number): BlockStatus {
  const { kind, storage, depth, allocated } = extent;
  const isDecoded = storage?.isDecoded === true;
  const stored = storage !== undefined && !isDecoded && (kind === 'data' || kind === 'zero');
  const zero = kind === 'zero';
  const status = dataStatus(extent, layers[depth]!) ?? {
    lengthBytes: extent.lengthBytes,
    data: !zero,
    zero,
  };
  return {
    guestOffset,
    ...status,
    allocated,
    depth,
    compressed: kind === 'encoded' || (kind === 'data' && isDecoded),
    storageName: stored ? storage.name : undefined,
    hostOffset: stored ? extent.hostOffset + (storage.startOffset ?? 0) : undefined,
  };
}

function continues(first: BlockStatus, next: BlockStatus): boolean {
  const sameHost =
    first.hostOffset === undefined
      ? next.hostOffset === undefined
      : first.hostOffset + (next.guestOffset - first.guestOffset) === next.hostOffset &&
        first.storageName === next.storageName;
  return (
    sameHost &&
    first.data === next.data &&
    first.zero === next.zero &&
    first.allocated === next.allocated &&
    first.depth === next.depth &&
    first.compressed === next.compressed
  );
}
