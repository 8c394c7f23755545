/**
 * Looks for the first difference of two disks. Lanes take pieces in turn, in the order of the disk,
 * so that the host reads for some while another is looked at.
 */
import {
  type BlockStatus,
  type DiskFile,
  type ImageInfo,
  ParallelCalls,
  readInto,
  type Step,
  stepCall,
} from '@diskfile/core';
import { nextStatus } from '../chain/disk-steps.ts';
import { asking } from '../chain/failed-request.ts';
import { TurnGate } from './turn-gate.ts';

/** What cannot be read is told of by its piece, and QEMU has such. */
const PIECE_BYTES = 2 * 1024 * 1024;
const LANES = 4;
/** Part of an L2 table of qcow2 that QEMU brings in at a time. */
const MAX_SLICE_BYTES = 65_536;
/** Formats whose drivers QEMU asks for one cluster at a time; a flat VMDK extent has none. */
const BY_CLUSTER: ReadonlySet<string> = new Set(['vmdk', 'vdi', 'qcow']);
/** Before everything on the disk: what was thrown by the caller's own function comes first. */
const CALLED_OFF = -1;

export interface Difference {
  /** With `strict`, ranges that are stored in other ways differ as well. */
  readonly kind: 'content' | 'allocation';
  readonly guestOffset: number;
}

export interface ComparisonRunOptions {
  readonly strict: boolean;
  /** Called with the bytes gone through so far; may throw to call the work off. */
  readonly reached: (doneBytes: number) => void;
}

/** What keeps the run from going on behind an offset. */
type Ending = { readonly guestOffset: number } & (
  | { readonly difference: Difference }
  | { readonly error: unknown }
);

interface Piece {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

export class ComparisonRun {
  readonly #disks: readonly [DiskFile, DiskFile];
  /** Of each layer of each disk, guest bytes in the part of its tables that QEMU looks at at a time. */
  readonly #sliceBytes: readonly [readonly number[], readonly number[]];
  readonly #endBytes: number;
  readonly #options: ComparisonRunOptions;
  readonly #planning = new TurnGate();
  #tickets = 0;
  #at = 0;
  /** The one that is first on the disk. */
  #ending: Ending | undefined;

  constructor(
    disks: readonly [DiskFile, DiskFile],
    endBytes: number,
    options: ComparisonRunOptions,
  ) {
    this.#disks = disks;
    this.#sliceBytes = [disks[0].info().map(sliceBytesOf), disks[1].info().map(sliceBytesOf)];
    this.#endBytes = endBytes;
    this.#options = options;
  }

  /**
   * The first difference before `endBytes`; undefined where there is none. What cannot be read is
   * thrown, unless there is a difference before it.
   */
  *firstDifference(): Step<Difference | undefined> {
    const lanes = Array.from({ length: LANES }, () => stepCall(() => this.#lane()));
    yield new ParallelCalls(lanes);
    const ending = this.#ending;
    if (ending === undefined) return undefined;
    if ('error' in ending) throw ending.error;
    return ending.difference;
  }

  #end(ending: Ending): void {
    if (this.#ending === undefined || ending.guestOffset < this.#ending.guestOffset) {
      this.#ending = ending;
    }
  }

  *#lane(): Step<void> {
    let buffers: readonly [Uint8Array, Uint8Array] | undefined;
    for (;;) {
      yield this.#planning.enter(this.#tickets++);
      const piece = yield* this.#nextPiece();
      this.#planning.leave();
      if (piece === undefined) return;
      buffers ??= [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)];
      yield* this.#compare(piece, buffers);
    }
  }

  /** The next piece that has to be read; undefined at the end of the run. One call at a time. */
  *#nextPiece(): Step<Piece | undefined> {
    try {
      while (this.#ending === undefined && this.#at < this.#endBytes) {
        const piece = yield* this.#take();
        if (piece !== undefined) return piece;
      }
    } catch (error) {
      this.#end({ guestOffset: this.#at, error });
    }
    return undefined;
  }

  /** Goes on to the end of a range; undefined for one that need not be read. */
  *#take(): Step<Piece | undefined> {
    const guestOffset = this.#at;
    try {
      this.#options.reached(guestOffset);
    } catch (error) {
      this.#end({ guestOffset: CALLED_OFF, error });
      return undefined;
    }
    const [first, second] = this.#disks;
    const left = this.#endBytes - guestOffset;
    const { strict } = this.#options;
    const one = this.#asFarAsSeen(0, yield* statusOf(first, 0, guestOffset, left));
    const most = strict ? left : Math.min(one.lengthBytes, left);
    const other = this.#asFarAsSeen(1, yield* statusOf(second, 1, guestOffset, most));
    if (strict && !isSameStatus(one, other, this.#endBytes)) {
      this.#end({ guestOffset, difference: { kind: 'allocation', guestOffset } });
      return undefined;
    }
    const isZero = one.zero && other.zero;
    const bothBytes = Math.min(one.lengthBytes, other.lengthBytes);
    const lengthBytes = isZero ? bothBytes : Math.min(bothBytes, PIECE_BYTES);
    this.#at += lengthBytes;
    return isZero ? undefined : { guestOffset, lengthBytes };
  }

  /** Where it matters whether something else is behind: what QEMU sees of a range at a time. */
  #asFarAsSeen(operand: 0 | 1, status: BlockStatus): BlockStatus {
    if (!this.#options.strict) return status;
    const { guestOffset, lengthBytes, depth } = status;
    const ends = this.#sliceBytes[operand]
      .slice(0, depth + 1)
      .map((sliceBytes) => sliceBytes - (guestOffset % sliceBytes));
    return { ...status, lengthBytes: Math.min(lengthBytes, ...ends) };
  }

  *#compare(
    { guestOffset, lengthBytes }: Piece,
    buffers: readonly [Uint8Array, Uint8Array],
  ): Step<void> {
    const [first, second] = this.#disks;
    const one = buffers[0].subarray(0, lengthBytes);
    const other = buffers[1].subarray(0, lengthBytes);
    try {
      const reads = [
        stepCall(() => readOf(first, 0, one, guestOffset)),
        stepCall(() => readOf(second, 1, other, guestOffset)),
      ];
      yield new ParallelCalls(reads);
    } catch (error) {
      return this.#end({ guestOffset, error });
    }
    const at = firstDifference(one, other);
    if (at === -1) return;
    const difference = { kind: 'content', guestOffset: guestOffset + at } as const;
    this.#end({ guestOffset, difference });
  }
}

function sliceBytesOf({ format, clusterBytes, details }: ImageInfo): number {
  if (BY_CLUSTER.has(format)) return clusterBytes > 1 ? clusterBytes : Infinity;
  if (format !== 'qcow2') return Infinity;
  const entryBytes = details['extendedL2'] === true ? 16 : 8;
  return (Math.min(clusterBytes, MAX_SLICE_BYTES) / entryBytes) * clusterBytes;
}

export function statusOf(
  disk: DiskFile,
  operand: number,
  guestOffset: number,
  lengthBytes: number,
): Step<BlockStatus> {
  const asked = { request: 'block-status', guestOffset, operand } as const;
  return asking(asked, nextStatus(disk, guestOffset, lengthBytes));
}

export function* readOf(
  disk: DiskFile,
  operand: number,
  dst: Uint8Array,
  guestOffset: number,
): Step<void> {
  yield* asking({ request: 'read', guestOffset, operand }, readInto(disk, dst, guestOffset));
}

/** First byte that differs; -1 for none, as it nearly always is: memory is compared at once first. */
function firstDifference(left: Uint8Array, right: Uint8Array): number {
  if (Buffer.compare(left, right) === 0) return -1;
  return left.findIndex((byte, at) => byte !== right[at]);
}

/** What QEMU goes by: also whether there is a place in the host's file, and nothing else behind. */
function isSameStatus(one: BlockStatus, other: BlockStatus, endBytes: number): boolean {
  const isLast = ({ guestOffset, lengthBytes }: BlockStatus) =>
    guestOffset + lengthBytes === endBytes;
  return (
    one.allocated === other.allocated &&
    one.data === other.data &&
    one.zero === other.zero &&
    hasPlace(one) === hasPlace(other) &&
    isLast(one) === isLast(other)
  );
}

function hasPlace({ hostOffset, compressed }: BlockStatus): boolean {
  return hostOffset !== undefined && !compressed;
}
