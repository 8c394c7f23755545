/** Compressed grains on their way into a stream-optimized extent: each once, one behind the other. */
import { DiskError } from '@diskfile/bytes';
import {
  BLOCK,
  type CompressedWriter,
  during,
  type EncodedAllocation,
  type Step,
  truncateStorage,
  type UnitFraming,
  type WritableStorage,
} from '@diskfile/core';
import { GRAIN_MARKER_BYTES, grainMarker, longestStream, SECTOR_BYTES } from './structs.ts';
import type { WritableGrainTables } from './writable-grain-tables.ts';

export class GrainStream implements CompressedWriter {
  readonly unitBytes: number;
  readonly encoderId = 'zlib';
  readonly inOrder: boolean;
  readonly framing: UnitFraming;
  readonly #table: WritableGrainTables;
  /** Where the last grain would end that was placed, if it were not compressed. */
  #plainEnd = 0;
  /** Behind the grains that were placed. */
  #nextGrain = 0;

  constructor(table: WritableGrainTables) {
    const { blockBytes } = table;
    this.unitBytes = blockBytes;
    // Readers of such streams cannot go back.
    this.inOrder = table.endsBehindLastGrain;
    this.framing = {
      headerBytes: GRAIN_MARKER_BYTES,
      alignmentBytes: SECTOR_BYTES,
      maxEncodedBytes: longestStream(blockBytes),
      writeHeader(header, guestOffset, encodedBytes) {
        grainMarker.encode({ val: guestOffset / SECTOR_BYTES, size: encodedBytes }, header);
      },
    };
    this.#table = table;
  }

  /** @throws DiskError `unsupported` for a grain that has been written already */
  *allocate(guestOffset: number, hostLengths: readonly number[]): Step<EncodedAllocation> {
    const table = this.#table;
    const first = guestOffset / this.unitBytes;
    yield* table.load(first);
    if (this.inOrder && first < this.#nextGrain) throw outOfOrder(first);
    let count = 0;
    while (count < hostLengths.length) {
      const place = table.find(first + count);
      if (place === BLOCK.unknown) break;
      if (place !== BLOCK.none && place !== BLOCK.zero) throw alreadyWritten(first + count, place);
      count += 1;
    }
    this.#nextGrain = first + count;
    const lengths = hostLengths.slice(0, count);
    const hostOffset = yield* table.reserveBytes(sum(lengths));
    return new StreamedGrains(table, { first, hostOffset, lengths }, (lastOffset) => {
      this.#plainEnd = Math.max(this.#plainEnd, lastOffset + this.unitBytes);
    });
  }

  /**
   * Zeros behind the last grain are an end-of-stream marker to those who read from marker to marker;
   * QEMU makes the file as long as if the last grain were not compressed.
   */
  *flush(): Step<void> {
    const { storage, endsBehindLastGrain } = this.#table;
    if (!endsBehindLastGrain && storage.sizeBytes < this.#plainEnd)
      yield* truncateStorage(storage, this.#plainEnd);
    yield* this.#table.flush();
  }
}

interface GrainRun {
  readonly first: number;
  readonly hostOffset: number;
  readonly lengths: readonly number[];
}

class StreamedGrains implements EncodedAllocation {
  readonly storage: WritableStorage;
  readonly hostOffsets: readonly number[];
  readonly #table: WritableGrainTables;
  readonly #run: GrainRun;
  readonly #placed: (lastOffset: number) => void;

  constructor(table: WritableGrainTables, run: GrainRun, placed: (lastOffset: number) => void) {
    const offsets: number[] = [];
    let hostOffset = run.hostOffset;
    for (const length of run.lengths) {
      offsets.push(hostOffset);
      hostOffset += length;
    }
    this.storage = during(table.storage, 'write_compressed');
    this.hostOffsets = offsets;
    this.#table = table;
    this.#run = run;
    this.#placed = placed;
  }

  *commit(): Step<void> {
    const { first } = this.#run;
    for (const [index, hostOffset] of this.hostOffsets.entries()) {
      // Another load may have pushed the table out since the allocation.
      yield* this.#table.load(first + index);
      this.#table.link(first + index, hostOffset);
    }
    this.#placed(this.hostOffsets.at(-1)!);
  }

  *cancel(): Step<void> {
    const { hostOffset, lengths } = this.#run;
    yield* this.#table.unreserveBytes(hostOffset, sum(lengths));
  }
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}

function alreadyWritten(grainIndex: number, hostOffset: number): DiskError {
  return new DiskError(
    'unsupported',
    'vmdk.grain-written',
    `Grain ${grainIndex} of the disk has been written, and a stream-optimized disk takes each once`,
    { offset: hostOffset, hint: 'Convert it to monolithicSparse to change it.' },
  );
}

function outOfOrder(grainIndex: number): DiskError {
  return new DiskError(
    'unsupported',
    'vmdk.grain-order',
    `Grain ${grainIndex} comes behind a later one, and in a stream with a footer they are in order`,
    { hint: 'Write the disk from its start to its end, as a conversion does.' },
  );
}
