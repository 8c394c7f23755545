/** Writing a stream-optimized extent: compressed grains go in, and nothing is changed or taken out. */
import {
  type Allocation,
  BLOCK,
  type CompressedWriter,
  type Extent,
  type ImageWriter,
  type Step,
} from '@diskfile/core';
import { GrainStream } from './grain-stream.ts';
import type { WritableGrainTables } from './writable-grain-tables.ts';

export interface GrainStreamOptions {
  /** Whether grains that are not there let an image below be seen. */
  readonly hasBacking: boolean;
}

export class GrainStreamWriter implements ImageWriter {
  readonly unitBytes: number;
  readonly compression: CompressedWriter;
  readonly #stream: GrainStream;
  readonly #table: WritableGrainTables;
  readonly #hasBacking: boolean;

  constructor(table: WritableGrainTables, { hasBacking }: GrainStreamOptions) {
    this.unitBytes = table.blockBytes;
    this.#stream = new GrainStream(table);
    this.compression = this.#stream;
    this.#table = table;
    this.#hasBacking = hasBacking;
  }

  lookupWritable(_: number, lengthBytes: number, extent: Extent): boolean {
    extent.setBacking(lengthBytes);
    return true;
  }

  *allocate(): Step<Allocation> {
    throw new Error('assertion failed: a plain grain in a stream-optimized extent');
  }

  /** Where the table cannot say it, zeros over an image below take a grain. */
  *writeZeroes(guestOffset: number, lengthBytes: number): Step<number> {
    const table = this.#table;
    const { unitBytes } = this;
    const within = Math.min(lengthBytes, unitBytes - (guestOffset % unitBytes));
    const grainIndex = Math.floor(guestOffset / unitBytes);
    yield* table.load(grainIndex);
    const place = table.find(grainIndex);
    if (place === BLOCK.zero) return within;
    if (place !== BLOCK.none) return 0;
    if (table.linkZero !== undefined && within === unitBytes) yield* table.linkZero(grainIndex);
    else if (this.#hasBacking) return 0;
    return within;
  }

  /** Space is not given back. */
  *discard(): Step<void> {}

  *flush(): Step<void> {
    yield* this.#stream.flush();
  }

  reclaim(): void {}

  *close(): Step<void> {
    yield* this.#table.close();
  }
}
