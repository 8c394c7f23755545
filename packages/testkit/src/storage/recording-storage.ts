/** A storage that writes down, in a {@link CrashLog}, everything that changes it. */
import { readBytes, runSync, type WritableStorage } from '@diskfile/core';
import type { CrashLog, Mutation, RecordedMutation } from './crash-log.ts';
import { StorageWrapper } from '@diskfile/storage';

/** A mutation that fails stays in the log as one of which anything may have happened. */
export class RecordingStorage extends StorageWrapper {
  readonly #log: CrashLog;
  readonly #file: number;

  /** What `inner` holds now counts as durable. It has to be small: the log keeps it. */
  constructor(inner: WritableStorage, log: CrashLog) {
    super(inner);
    this.#log = log;
    this.#file = log.addFile(runSync(readBytes(inner, 0, inner.sizeBytes)));
  }

  #recordSync<T>(mutation: Mutation, work: () => T): T {
    const recorded = this.#log.issue(this.#file, mutation);
    const result = work();
    this.#done(recorded, result);
    return result;
  }

  async #record<T>(mutation: Mutation, work: () => Promise<T>): Promise<T> {
    const recorded = this.#log.issue(this.#file, mutation);
    const result = await work();
    this.#done(recorded, result);
    return result;
  }

  #done(recorded: RecordedMutation, result: unknown): void {
    recorded.isDone = true;
    // A hole that could not be punched, space that could not be reserved.
    if (result === false) this.#log.withdraw(recorded);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    const mutation = { op: 'write' as const, offset, bytes: copyOf(src) };
    this.#recordSync(mutation, () => super.writeSync(src, offset));
  }

  override write(src: Uint8Array, offset: number): Promise<void> {
    const mutation = { op: 'write' as const, offset, bytes: copyOf(src) };
    return this.#record(mutation, () => super.write(src, offset));
  }

  override truncateSync(sizeBytes: number): void {
    this.#recordSync({ op: 'truncate', sizeBytes }, () => super.truncateSync(sizeBytes));
  }

  override truncate(sizeBytes: number): Promise<void> {
    return this.#record({ op: 'truncate', sizeBytes }, () => super.truncate(sizeBytes));
  }

  override punchHoleSync(offset: number, lengthBytes: number): boolean {
    const mutation = { op: 'punch' as const, offset, lengthBytes };
    return this.#recordSync(mutation, () => super.punchHoleSync(offset, lengthBytes));
  }

  override punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    const mutation = { op: 'punch' as const, offset, lengthBytes };
    return this.#record(mutation, () => super.punchHole(offset, lengthBytes));
  }

  override allocateSync(offset: number, lengthBytes: number): boolean {
    const mutation = { op: 'allocate' as const, offset, lengthBytes };
    return this.#recordSync(mutation, () => super.allocateSync(offset, lengthBytes));
  }

  override allocate(offset: number, lengthBytes: number): Promise<boolean> {
    const mutation = { op: 'allocate' as const, offset, lengthBytes };
    return this.#record(mutation, () => super.allocate(offset, lengthBytes));
  }

  override flushSync(): void {
    const flushed = this.#log.beginFlush(this.#file);
    super.flushSync();
    this.#log.endFlush(flushed);
  }

  override async flush(): Promise<void> {
    const flushed = this.#log.beginFlush(this.#file);
    await super.flush();
    this.#log.endFlush(flushed);
  }
}

/** A `Buffer` has a `slice()` that copies nothing. */
function copyOf(src: Uint8Array): Uint8Array {
  return new Uint8Array(src);
}
