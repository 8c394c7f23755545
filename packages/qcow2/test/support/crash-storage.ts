/**
 * Storages that lose power or fail. What was written since the last flush may be on the host or
 * not, in any combination, sector by sector.
 */
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { CrashLog, leftNow, type Mutation } from '@diskfile/testkit';

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
  readonly #log = new CrashLog();
  readonly #file: number;
  #isWriting = false;

  /** What it holds from the start counts as durable. */
  constructor(bytes: Uint8Array, name: string) {
    super(bytes, name);
    this.#file = this.#log.addFile(bytes.slice());
  }

  #record(mutation: Mutation, work: () => void): void {
    const recorded = this.#log.issue(this.#file, mutation);
    work();
    recorded.isDone = true;
  }

  override readSync(dst: Uint8Array, offset: number): void {
    if (this.countsReads) this.#count();
    super.readSync(dst, offset);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    this.#count();
    this.#isWriting = true;
    this.#record({ op: 'write', offset, bytes: src.slice() }, () => super.writeSync(src, offset));
    this.#isWriting = false;
  }

  override truncateSync(sizeBytes: number): void {
    // Writes that grow the storage come by here as well, and what they do is recorded already.
    if (this.#isWriting) return super.truncateSync(sizeBytes);
    if (sizeBytes < this.sizeBytes) this.#count();
    this.#record({ op: 'truncate', sizeBytes }, () => super.truncateSync(sizeBytes));
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    this.#count();
    this.#record({ op: 'punch', offset, lengthBytes }, () =>
      super.punchHoleSync(offset, lengthBytes),
    );
    return true;
  }

  override flushSync(): void {
    this.#count();
    this.#log.endFlush(this.#log.beginFlush(this.#file));
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
    return leftNow(this.#log, chance)[0]!.bytes.slice();
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
