/** Zeros and discards on hosts that take them in certain units and sizes alone, split as QEMU does. */
import { alignDown, alignUp } from '@diskfile/bytes';
import {
  discardRange,
  type Step,
  type WritableStorage,
  writeZeros,
  zeroRange,
} from '@diskfile/core';
import type { IoType } from './rule.ts';

/** Limits on one kind of request, in bytes. */
export interface PieceLimits {
  /** Between multiples of it; what is smaller stays apart. */
  readonly unit: number;
  /** A multiple of the unit. */
  readonly most: number;
}

/** Limits that the host is to have. */
export interface DebugLimits {
  /** Unit of writes in bytes; what is smaller is read, changed and written whole. 1 for none. */
  readonly align: number;
  readonly zeroes: PieceLimits;
  readonly discards: PieceLimits;
}

interface Piece {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface LimitedTarget {
  readonly storage: WritableStorage;
  readonly limits: DebugLimits;
  /** @throws DiskError where the request is to fail */
  check(ioType: IoType, piece: Piece): void;
}

/** First up to a boundary, then whole units, then the rest. */
export function* piecesOf({ offset, lengthBytes }: Piece, limits: PieceLimits): Generator<Piece> {
  const { unit, most } = limits;
  const end = offset + lengthBytes;
  for (let at = offset; at < end;) {
    const left = end - at;
    const toBoundary = unit - (at % unit);
    const whole = left > unit ? left - (left % unit) : left;
    const length = toBoundary < unit ? Math.min(left, toBoundary) : Math.min(whole, most);
    yield { offset: at, lengthBytes: length };
    at += length;
  }
}

/** What is smaller than the unit of zeros is written. */
export function* zeroInPieces(target: LimitedTarget, range: Piece, mayUnmap: boolean): Step<void> {
  const { storage, limits } = target;
  for (const piece of piecesOf(range, limits.zeroes)) {
    const { offset, lengthBytes } = piece;
    const isSmall = lengthBytes < limits.zeroes.unit;
    target.check(isSmall ? 'write' : 'write-zeroes', piece);
    if (!isSmall && (yield* zeroRange(storage, offset, lengthBytes, mayUnmap))) continue;
    yield* writeZeros(storage, offset, lengthBytes);
  }
}

/** What is smaller than the unit of writes is left out. */
export function* discardInPieces(target: LimitedTarget, range: Piece): Step<void> {
  const { storage, limits } = target;
  const offset = alignUp(range.offset, limits.align);
  const end = alignDown(range.offset + range.lengthBytes, limits.align);
  for (const piece of piecesOf({ offset, lengthBytes: end - offset }, limits.discards)) {
    target.check('discard', piece);
    yield* discardRange(storage, piece.offset, piece.lengthBytes);
  }
}
