/**
 * Storages that lose power or fail. What was written since the last flush may be on the host or
 * not, in any combination, sector by sector.
 */
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';

const SECTOR_BYTES = 512;

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number };

export class CrashStorage extends MemoryStorage {
  /** Fails the host operation with this number, counted from 0; none when undefined. */
  failAt: number | undefined = undefined;
  /** Whether reads are operations of the host as well. */
  countsReads = false;
  /** For how many operations it goes on failing. */
  failures = 1;
  operations = 0;
  /** Called before each operation that changes something or flushes. */
  onOperation: () => void = () => {};
  #durable = new Uint8Array(0);
  #pending: Change[] = [];

  override readSync(dst: Uint8Array, offset: number): void {
    if (this.countsReads) this.#count();
    super.readSync(dst, offset);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    this.#count();
    this.#pending.push({ kind: 'write', offset, bytes: src.slice() });
    super.writeSync(src, offset);
  }

  override truncateSync(sizeBytes: number): void {
    // Writes that grow the storage come by here as well.
    if (sizeBytes < this.sizeBytes) {
      this.#count();
      this.#pending.push({ kind: 'truncate', sizeBytes });
    }
    super.truncateSync(sizeBytes);
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.#count();
    this.#pending.push({ kind: 'write', offset, bytes: new Uint8Array(lengthBytes) });
    return super.punchHoleSync(offset, lengthBytes);
  }

  override flushSync(): void {
    this.#count();
    this.#durable = this.bytes.slice();
    this.#pending = [];
  }

  #count(): void {
    this.onOperation();
    const { failAt } = this;
    this.operations += 1;
    if (failAt === undefined || this.operations <= failAt) return;
    if (this.operations > failAt + this.failures) return;
    throw new DiskError('no-space', 'test.fault', 'the host has no space', { op: 'write' });
  }

  /** What a loss of power may leave; `chance` says of each sector whether it made it. */
  crashed(chance: () => boolean): Uint8Array {
    const after = new MemoryStorage(this.#durable.slice());
    for (const change of this.#pending) {
      if (change.kind === 'truncate') {
        if (chance()) after.truncateSync(change.sizeBytes);
      } else writeTorn(after, change.offset, change.bytes, chance);
    }
    return after.bytes.slice();
  }
}

function writeTorn(
  storage: MemoryStorage,
  offset: number,
  bytes: Uint8Array,
  chance: () => boolean,
): void {
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
    if (chance()) storage.writeSync(bytes.subarray(at, at + length), offset + at);
    at += length;
  }
}

/** Random numbers that are the same on every run. */
export function randomFrom(seed: number): () => number {
  let state = seed + 0x9e37_79b9;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
