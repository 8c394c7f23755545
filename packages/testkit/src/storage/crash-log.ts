/**
 * What reached the host, in order, of one or more files: the record from which `crash-states.ts`
 * makes everything that a loss of power could have left behind.
 */
export type Mutation =
  | { readonly op: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly op: 'punch'; readonly offset: number; readonly lengthBytes: number }
  | { readonly op: 'allocate'; readonly offset: number; readonly lengthBytes: number }
  | { readonly op: 'truncate'; readonly sizeBytes: number };

/** A mutation and its life; times are those of {@link CrashLog.now}. */
export interface RecordedMutation {
  readonly file: number;
  readonly mutation: Mutation;
  readonly issuedAt: number;
  /** Whether it has returned, so that a flush which begins now makes it durable. */
  isDone: boolean;
  /** When a flush that began after it was done had ended; Infinity as long as there is none. */
  durableAt: number;
}

export interface RecordedFile {
  /** Content when recording began; durable. */
  readonly initial: Uint8Array;
}

export class CrashLog {
  readonly files: RecordedFile[] = [];
  readonly mutations: RecordedMutation[] = [];
  #now = 0;

  /** Grows with every mutation that is issued and every flush that ends. */
  get now(): number {
    return this.#now;
  }

  /** Takes a further file into the record; returns its number. */
  addFile(initial: Uint8Array): number {
    return this.files.push({ initial }) - 1;
  }

  issue(file: number, mutation: Mutation): RecordedMutation {
    this.#now += 1;
    const recorded = { file, mutation, issuedAt: this.#now, isDone: false, durableAt: Infinity };
    this.mutations.push(recorded);
    return recorded;
  }

  /** Takes back what turned out to change nothing. */
  withdraw(recorded: RecordedMutation): void {
    this.mutations.splice(this.mutations.indexOf(recorded), 1);
  }

  /** What a flush that begins now will have made durable when it ends. */
  beginFlush(file: number): RecordedMutation[] {
    return this.mutations.filter(
      (recorded) => recorded.file === file && recorded.isDone && recorded.durableAt === Infinity,
    );
  }

  endFlush(flushed: readonly RecordedMutation[]): void {
    this.#now += 1;
    for (const recorded of flushed) recorded.durableAt = Math.min(recorded.durableAt, this.#now);
  }
}
