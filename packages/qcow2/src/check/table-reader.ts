/** Reads many tables of one length, several at a time. */
import {
  type HostCall,
  ParallelCalls,
  readInto,
  type Step,
  stepCall,
  type Storage,
} from '@diskfile/core';

/** Read at a time; enough to keep the host busy, little enough to stay in the processor's cache. */
const BATCH_BYTES = 1024 * 1024;

export class TableReader {
  readonly #storage: Storage;
  readonly #tableBytes: number;
  #buffer = new Uint8Array(0);
  /** One for each table that the buffer has room for. */
  #views: readonly DataView[] = [];

  constructor(storage: Storage, tableBytes: number) {
    this.#storage = storage;
    this.#tableBytes = tableBytes;
  }

  /**
   * Visits the tables in the order of their offsets as given. What lies beyond the end of the file
   * reads as zeros. A view is valid during its visit only.
   * @param afterBatch run now and then, with the number of tables that have been visited since
   */
  *each(
    hostOffsets: ArrayLike<number>,
    visit: (table: DataView, index: number) => void,
    afterBatch: (visited: number) => Step<void>,
  ): Step<void> {
    this.#makeRoom(hostOffsets.length);
    for (let from = 0; from < hostOffsets.length;) {
      const count = Math.min(this.#views.length, hostOffsets.length - from);
      yield* this.#read(hostOffsets, from, count);
      for (let slot = 0; slot < count; slot++) visit(this.#views[slot]!, from + slot);
      from += count;
      yield* afterBatch(count);
    }
  }

  #makeRoom(tables: number): void {
    const tableBytes = this.#tableBytes;
    const room = Math.min(tables, Math.max(1, Math.floor(BATCH_BYTES / tableBytes)));
    if (this.#views.length >= room) return;
    this.#buffer = new Uint8Array(room * tableBytes);
    this.#views = Array.from(
      { length: room },
      (_, index) => new DataView(this.#buffer.buffer, index * tableBytes, tableBytes),
    );
  }

  /** Neighbours in the file become one read. */
  *#read(hostOffsets: ArrayLike<number>, from: number, count: number): Step<void> {
    const tableBytes = this.#tableBytes;
    const calls: HostCall[] = [];
    for (let slot = 0; slot < count;) {
      const hostOffset = hostOffsets[from + slot]!;
      let end = slot + 1;
      while (end < count && hostOffsets[from + end] === hostOffset + (end - slot) * tableBytes) {
        end += 1;
      }
      const part = this.#buffer.subarray(slot * tableBytes, end * tableBytes);
      calls.push(stepCall(() => this.#readPart(part, hostOffset)));
      slot = end;
    }
    yield new ParallelCalls(calls);
  }

  *#readPart(part: Uint8Array, hostOffset: number): Step<void> {
    yield* readInto(this.#storage, part, hostOffset);
  }
}
