/** Changes tables where they lie, in whole sectors: each is written as it was or as it is to be. */
import { DirtyRange, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { TableReader } from '../table-reader.ts';

interface PendingWrite {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
}

export class TableRewriting {
  readonly #storage: WritableStorage;
  readonly #tableBytes: number;
  readonly #written: WritableStorage;

  /** @param written the same storage, as it is told what is written to it */
  constructor(storage: WritableStorage, tableBytes: number, written = storage) {
    this.#storage = storage;
    this.#tableBytes = tableBytes;
    this.#written = written;
  }

  /**
   * Shows each table, and writes what has changed. Not durable before a flush.
   * @param change changes entries and says in `changed` which bytes those are
   */
  *each(
    hostOffsets: ArrayLike<number>,
    change: (entries: DataView, index: number, changed: DirtyRange) => void,
  ): Step<void> {
    const written = this.#written;
    let pending: PendingWrite[] = [];
    const visit = (entries: DataView, index: number) => {
      const changed = new DirtyRange();
      change(entries, index, changed);
      if (changed.isEmpty) return;
      const { buffer, byteOffset } = entries;
      const bytes = new Uint8Array(buffer, byteOffset + changed.from, changed.to - changed.from);
      pending.push({ hostOffset: hostOffsets[index]! + changed.from, bytes: bytes.slice() });
    };
    yield* new TableReader(this.#storage, this.#tableBytes).each(hostOffsets, visit, function* () {
      for (const { hostOffset, bytes } of pending) yield* writeBytes(written, bytes, hostOffset);
      pending = [];
    });
  }
}
