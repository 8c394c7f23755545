/** The digest of one segment: its leaves hashed, zeros by constant, holes never read. */
import { isAllZero } from '@diskfile/bytes';
import { type BlockStatus, type DiskFile, hostCall, readInto, type Step } from '@diskfile/core';
import { asking } from '../chain/failed-request.ts';
import type { Segment, SegmentTask, SegmentWork } from '../workers/segment-task.ts';
import {
  DIGEST_BYTES,
  LEAF_BYTES,
  LEAVES_PER_SEGMENT,
  SEGMENT_BYTES,
  sha256,
  ZERO_LEAF,
  ZERO_SEGMENT,
} from './digest-tree.ts';

/** Leaves that one read fetches: long enough to be cheap, short enough to be hashed from cache. */
const LEAVES_PER_READ = 2;

export const digestTask: SegmentTask = {
  segmentBytes: SEGMENT_BYTES,
  resultBytes: DIGEST_BYTES,
  start(disk: DiskFile): SegmentWork {
    const digester = new SegmentDigester(disk);
    return (segment, result) => digester.run(segment, result);
  },
};

class SegmentDigester {
  readonly #disk: DiskFile;
  readonly #buffer = new Uint8Array(LEAVES_PER_READ * LEAF_BYTES);
  readonly #leafDigests = new Uint8Array(LEAVES_PER_SEGMENT * DIGEST_BYTES);
  /** For each leaf of the segment, 1 where some of it may differ from zero. */
  readonly #holdsData = new Uint8Array(LEAVES_PER_SEGMENT);

  constructor(disk: DiskFile) {
    this.#disk = disk;
  }

  *run(segment: Segment, result: Uint8Array): Step<void> {
    const leafCount = Math.ceil(segment.lengthBytes / LEAF_BYTES);
    yield* this.#findData(segment);
    if (segment.lengthBytes === SEGMENT_BYTES && !this.#holdsData.includes(1)) {
      result.set(ZERO_SEGMENT);
      return;
    }
    for (let leaf = 0; leaf < leafCount;) {
      const end = this.#endOfRun(leaf, leafCount);
      yield* this.#hashLeaves(segment, leaf, end);
      leaf = end;
    }
    result.set(sha256(this.#leafDigests.subarray(0, leafCount * DIGEST_BYTES)));
  }

  *#findData(segment: Segment): Step<void> {
    const { guestOffset, lengthBytes } = segment;
    const disk = this.#disk;
    let reached = guestOffset;
    const mark = (status: BlockStatus): void => {
      reached = status.guestOffset + status.lengthBytes;
      if (status.zero) return;
      const start = status.guestOffset - guestOffset;
      const first = Math.floor(start / LEAF_BYTES);
      this.#holdsData.fill(1, first, Math.ceil((start + status.lengthBytes) / LEAF_BYTES));
    };
    this.#holdsData.fill(0);
    const statuses = hostCall(
      () => {
        for (const status of disk.blockStatusSync(guestOffset, lengthBytes)) mark(status);
      },
      async () => {
        for await (const status of disk.blockStatus(guestOffset, lengthBytes)) mark(status);
      },
    );
    yield* asking(() => ({ request: 'block-status', guestOffset: reached }), statuses);
  }

  /** Leaves from `first` on that are alike and fit one read. */
  #endOfRun(first: number, leafCount: number): number {
    const last = Math.min(first + LEAVES_PER_READ, leafCount);
    let end = first + 1;
    while (end < last && this.#holdsData[end] === this.#holdsData[first]) end += 1;
    return end;
  }

  *#hashLeaves(segment: Segment, first: number, end: number): Step<void> {
    const start = first * LEAF_BYTES;
    const lengthBytes = Math.min(end * LEAF_BYTES, segment.lengthBytes) - start;
    const bytes = this.#buffer.subarray(0, lengthBytes);
    if (this.#holdsData[first] === 1) {
      const guestOffset = segment.guestOffset + start;
      yield* asking({ request: 'read', guestOffset }, readInto(this.#disk, bytes, guestOffset));
    } else bytes.fill(0);
    for (let leaf = first; leaf < end; leaf++) {
      const at = (leaf - first) * LEAF_BYTES;
      const digest = leafDigest(bytes.subarray(at, at + LEAF_BYTES));
      this.#leafDigests.set(digest, leaf * DIGEST_BYTES);
    }
  }
}

function leafDigest(leaf: Uint8Array): Uint8Array {
  return leaf.length === LEAF_BYTES && isAllZero(leaf) ? ZERO_LEAF : sha256(leaf);
}
