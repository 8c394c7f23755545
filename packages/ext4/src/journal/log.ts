/** Blocks of the journal's file by their number in it. Read before anything has been replayed. */
import { readBytes, type Step } from '@diskfile/core';
import { type BlockMap, BlockRun, findRun } from '../blocks/block-map.ts';
import type { BlockReader } from '../blocks/block-reader.ts';

/** Bytes that are read at once: the log is read from one end to the other. */
const WINDOW_BYTES = 256 * 1024;

export class JournalLog {
  readonly blockBytes: number;
  readonly #map: BlockMap;
  readonly #reader: BlockReader;
  readonly #run = new BlockRun();
  #window: Uint8Array = new Uint8Array();
  #windowStart = 0;

  constructor(map: BlockMap, reader: BlockReader) {
    this.#map = map;
    this.#reader = reader;
    this.blockBytes = reader.blockBytes;
  }

  /** The filesystem block that holds a block of the log. */
  *locate(logBlock: number): Step<number> {
    return (yield* this.#runFrom(logBlock, 1)).physicalBlock;
  }

  /** The bytes of a block; they hold until the next call. */
  *read(logBlock: number): Step<Uint8Array> {
    let at = (logBlock - this.#windowStart) * this.blockBytes;
    if (at < 0 || at >= this.#window.length) {
      const run = yield* this.#runFrom(logBlock, Math.max(1, WINDOW_BYTES / this.blockBytes));
      const offset = run.physicalBlock * this.blockBytes;
      const lengthBytes = run.blockCount * this.blockBytes;
      this.#window = yield* readBytes(this.#reader.storage, offset, lengthBytes);
      this.#windowStart = logBlock;
      at = 0;
    }
    return this.#window.subarray(at, at + this.blockBytes);
  }

  *#runFrom(logBlock: number, maxBlocks: number): Step<BlockRun> {
    yield* findRun(this.#map, logBlock, maxBlocks, this.#run);
    if (this.#run.kind === 'data') return this.#run;
    throw this.#reader.report.corrupt(
      'journal-hole',
      `Block ${logBlock} of the journal is a hole of its file`,
    );
  }
}
