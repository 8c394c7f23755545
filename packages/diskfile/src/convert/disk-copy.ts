/** Copies the bytes of one disk to another: large reads ahead of the writes, and zeros left out. */
import { alignDown, alignUp, isAllZero } from '@diskfile/bytes';
import {
  type BatchOperation,
  type BlockStatus,
  type DiskFile,
  type HostCall,
  hostCall,
  ParallelCalls,
  type Step,
  stepCall,
} from '@diskfile/core';
import { nextStatus, zeroDisk } from '../chain/disk-steps.ts';

/** Guest bytes that one read brings in. */
const CHUNK_BYTES = 1024 * 1024;
/** Reads that are under way at a time. */
const CHUNKS_PER_GROUP = 8;

export interface DiskCopyOptions {
  /** First byte of the source that is copied, to the start of the target. */
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** Runs of zeros that are shorter are written like other bytes; 0 to look for none. */
  readonly sparseBytes: number;
  /** Whether the target reads as zeros before the copy, so that zeros need not be written. */
  readonly targetIsZero: boolean;
  readonly compress: boolean;
  /** Whether the target has the source's backing image: what the source does not hold is left out. */
  readonly keepsBacking: boolean;
  /** Called before each group of work with the bytes done; may throw to call the work off. */
  readonly reached: (doneBytes: number) => void;
}

/** A run of source bytes, and what is done for it at the same place of the target. */
interface Piece {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly kind: 'data' | 'zero' | 'skip';
  /** Of a `data` piece: where its bytes go in between. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
/** Bounds a group where the source has very many small holes. */
const PIECES_PER_GROUP = 1024;

export class DiskCopy {
  readonly #source: DiskFile;
  readonly #target: DiskFile;
  readonly #options: DiskCopyOptions;
  /** Unit that pieces begin and end at; 1 where any byte will do. */
  readonly #unitBytes: number;
  readonly #chunkBytes: number;
  /** Two sets of buffers: one is written while the other is filled. */
  readonly #buffers: [Uint8Array[], Uint8Array[]] = [[], []];

  constructor(source: DiskFile, target: DiskFile, options: DiskCopyOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#unitBytes = options.compress ? target.capabilities.compression!.unitBytes : 1;
    this.#chunkBytes = alignUp(CHUNK_BYTES, this.#unitBytes);
  }

  *run(): Step<void> {
    const { lengthBytes, reached } = this.#options;
    let written: Piece[] = [];
    let set: 0 | 1 = 0;
    for (let at = 0; at < lengthBytes;) {
      reached(at);
      const group = yield* this.#plan(at, this.#buffers[set]);
      const before = written;
      const reads = group.filter(({ kind }) => kind === 'data').map((piece) => this.#read(piece));
      yield new ParallelCalls([...reads, stepCall(() => this.#write(before))]);
      written = group;
      set = set === 0 ? 1 : 0;
      const last = group.at(-1)!;
      at = last.offset + last.lengthBytes;
    }
    yield* this.#write(written);
    reached(lengthBytes);
  }

  /** The next pieces from `at` on, with buffers for those that hold data. */
  *#plan(at: number, buffers: Uint8Array[]): Step<Piece[]> {
    const { startBytes, lengthBytes } = this.#options;
    const pieces: Piece[] = [];
    let chunks = 0;
    let offset = at;
    while (offset < lengthBytes && chunks < CHUNKS_PER_GROUP && pieces.length < PIECES_PER_GROUP) {
      const left = lengthBytes - offset;
      const status = yield* nextStatus(this.#source, startBytes + offset, left);
      const kind = this.#kindOf(status);
      const length = this.#lengthOf(kind, status.lengthBytes, left);
      if (kind === 'data' || length === 0) {
        const wanted = Math.min(Math.max(length, this.#unitBytes), left, this.#chunkBytes);
        buffers[chunks] ??= new Uint8Array(this.#chunkBytes);
        const bytes = buffers[chunks]!.subarray(0, wanted);
        pieces.push({ offset, lengthBytes: wanted, kind: 'data', bytes });
        chunks += 1;
        offset += wanted;
      } else {
        pieces.push({ offset, lengthBytes: length, kind, bytes: NO_BYTES });
        offset += length;
      }
    }
    return pieces;
  }

  #kindOf({ zero, allocated, depth }: BlockStatus): Piece['kind'] {
    const { keepsBacking, targetIsZero } = this.#options;
    if (keepsBacking && !(allocated && depth === 0)) return 'skip';
    if (!zero) return 'data';
    return targetIsZero ? 'skip' : 'zero';
  }

  /** As much of a range as can be done at once: whole units, but for the end of the disk. */
  #lengthOf(kind: Piece['kind'], lengthBytes: number, left: number): number {
    if (lengthBytes === left) return left;
    const unitBytes = this.#unitBytes;
    // A unit that holds any data is data; one that does not begins behind it.
    return kind === 'data'
      ? Math.min(alignUp(lengthBytes, unitBytes), left)
      : alignDown(lengthBytes, unitBytes);
  }

  #read({ bytes, offset }: Piece): HostCall {
    const at = this.#options.startBytes + offset;
    return {
      runSync: () => this.#source.readSync(bytes, at),
      run: () => this.#source.read(bytes, at),
    };
  }

  *#write(pieces: readonly Piece[]): Step<void> {
    let batch: BatchOperation[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'zero') {
        batch.push({
          op: 'writeZeroes',
          guestOffset: piece.offset,
          lengthBytes: piece.lengthBytes,
        });
      } else if (piece.kind === 'data' && this.#options.compress) {
        yield* this.#submit(batch);
        batch = [];
        yield* this.#writeCompressed(piece);
      } else if (piece.kind === 'data') this.#splitZeros(piece, batch);
    }
    yield* this.#submit(batch);
  }

  *#submit(operations: readonly BatchOperation[]): Step<void> {
    if (operations.length === 0) return;
    const results = yield* hostCall(
      () => this.#target.submitBatchSync(operations),
      () => this.#target.submitBatch(operations),
    );
    const failed = results.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
  }

  /** Adds the parts of a piece that are not zeros, and zeros only where the target needs them. */
  #splitZeros({ bytes, offset }: Piece, batch: BatchOperation[]): void {
    const { sparseBytes, targetIsZero } = this.#options;
    const stepBytes = sparseBytes === 0 ? bytes.length : sparseBytes;
    for (let start = 0; start < bytes.length;) {
      const isZero = sparseBytes > 0 && isAllZero(part(bytes, start, stepBytes));
      let end = Math.min(start + stepBytes, bytes.length);
      while (end < bytes.length && isAllZero(part(bytes, end, stepBytes)) === isZero) {
        end = Math.min(end + stepBytes, bytes.length);
      }
      const guestOffset = offset + start;
      if (!isZero) batch.push({ op: 'write', guestOffset, buffer: bytes.subarray(start, end) });
      else if (!targetIsZero) {
        batch.push({ op: 'writeZeroes', guestOffset, lengthBytes: end - start });
      }
      start = end;
    }
  }

  /** Neighbouring units that are not zeros go together, to be compressed side by side. */
  *#writeCompressed({ bytes, offset }: Piece): Step<void> {
    const { targetIsZero } = this.#options;
    const compression = this.#target.capabilities.compression!;
    for (let start = 0; start < bytes.length;) {
      const isZero = isAllZero(part(bytes, start, this.#unitBytes));
      let end = Math.min(start + this.#unitBytes, bytes.length);
      while (end < bytes.length && isAllZero(part(bytes, end, this.#unitBytes)) === isZero) {
        end = Math.min(end + this.#unitBytes, bytes.length);
      }
      const src = bytes.subarray(start, end);
      const guestOffset = offset + start;
      if (!isZero) {
        yield {
          runSync: () => compression.writeSync(src, guestOffset),
          run: () => compression.write(src, guestOffset),
        };
      } else if (!targetIsZero) yield* zeroDisk(this.#target, guestOffset, src.length);
      start = end;
    }
  }
}

function part(bytes: Uint8Array, start: number, lengthBytes: number): Uint8Array {
  return bytes.subarray(start, Math.min(start + lengthBytes, bytes.length));
}
