/**
 * Content that can only be decoded from front to back, as a storage. Reads that go on where an
 * earlier one ended are continued; others begin at the last place before them that is known.
 */
import { asStorage, type Limits, runAsync, runSync, type Step, type Storage } from '@diskfile/core';
import { type Pass, type PassSource, readFully, skipTo } from './pass.ts';

const PAGE_BYTES = 128 * 1024;
/** Passes that are kept for reads that may go on there. */
const IDLE_PASSES = 2;

export class StreamContent {
  readonly #source: PassSource;
  readonly #sizeBytes: number;
  readonly #pageCount: number;
  /** Ends of the content that were read in part, those used last come last. */
  readonly #pages = new Map<number, Uint8Array>();
  #idle: Pass[] = [];
  /** Settles when the asynchronous reads before are done: side by side they would only compete. */
  #turn: Promise<void> = Promise.resolve();

  constructor(source: PassSource, sizeBytes: number, limits: Limits) {
    this.#source = source;
    this.#sizeBytes = sizeBytes;
    this.#pageCount = Math.max(1, Math.floor(limits.decodedCacheBytes / PAGE_BYTES));
  }

  readSync(dst: Uint8Array, offset: number): void {
    runSync(this.#read(dst, offset));
  }

  read(dst: Uint8Array, offset: number): Promise<void> {
    const reading = this.#turn.then(() => runAsync(this.#read(dst, offset)));
    this.#turn = reading.catch(() => {});
    return reading;
  }

  close(): void {
    for (const pass of this.#idle) pass.close();
    this.#idle = [];
    this.#pages.clear();
  }

  *#read(dst: Uint8Array, offset: number): Step<void> {
    for (let at = 0; at < dst.length;) {
      const page = Math.floor((offset + at) / PAGE_BYTES);
      const start = page * PAGE_BYTES;
      const skip = offset + at - start;
      const pageBytes = Math.min(PAGE_BYTES, this.#sizeBytes - start);
      const part = dst.subarray(at, at + pageBytes - skip);
      if (part.length === pageBytes) yield* this.#decode(part, start);
      else part.set((yield* this.#page(page, pageBytes)).subarray(skip, skip + part.length));
      at += part.length;
    }
  }

  *#page(page: number, lengthBytes: number): Step<Uint8Array> {
    const kept = this.#pages.get(page);
    if (kept !== undefined) {
      this.#pages.delete(page);
      this.#pages.set(page, kept);
      return kept;
    }
    const bytes = new Uint8Array(lengthBytes);
    yield* this.#decode(bytes, page * PAGE_BYTES);
    this.#pages.set(page, bytes);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= this.#pageCount) break;
      this.#pages.delete(oldest);
    }
    return bytes;
  }

  *#decode(dst: Uint8Array, offset: number): Step<void> {
    const pass = yield* this.#passTo(offset);
    try {
      yield* skipTo(pass, offset);
      yield* readFully(pass, dst);
    } catch (error) {
      pass.close();
      throw error;
    }
    this.#idle.push(pass);
    while (this.#idle.length > IDLE_PASSES) this.#idle.shift()!.close();
  }

  /** The pass that has the shortest way to go; nobody else uses it meanwhile. */
  *#passTo(offset: number): Step<Pass> {
    let nearest: Pass | undefined;
    for (const pass of this.#idle) {
      if (pass.offset <= offset && pass.offset >= (nearest?.offset ?? 0)) nearest = pass;
    }
    const start = this.#source.startBefore(offset);
    if (nearest === undefined || nearest.offset < start.offset) return yield* start.start();
    this.#idle = this.#idle.filter((pass) => pass !== nearest);
    return nearest;
  }
}

/** @param host the file; its name is the storage's, and it is closed by whoever opened it */
export function streamStorage(
  host: Storage,
  source: PassSource,
  sizeBytes: number,
  limits: Limits,
): Storage {
  const content = new StreamContent(source, sizeBytes, limits);
  const place = { isDecoded: true, onClose: () => content.close() };
  return asStorage(
    {
      name: host.name,
      sizeBytes,
      synchronous: host.synchronous,
      readSync: (dst, offset) => content.readSync(dst, offset),
      read: (dst, offset) => content.read(dst, offset),
    },
    place,
  );
}
