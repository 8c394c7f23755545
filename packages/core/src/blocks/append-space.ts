/** Space behind the end of what an image file uses. It only grows, and new space reads as zeros. */
import { alignUp } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import { truncateStorage, type WritableStorage } from '../storage.ts';

export class AppendSpace {
  readonly #storage: WritableStorage;
  readonly #alignment: number;
  #end: number;

  /** @param end of all that the image uses, at or beyond the end of the file's content */
  constructor(storage: WritableStorage, end: number, alignment: number) {
    this.#storage = storage;
    this.#alignment = alignment;
    this.#end = alignUp(end, alignment);
  }

  /** Where the next space begins. */
  get end(): number {
    return this.#end;
  }

  /** What lies there now would not read as zeros: a crash or a failed write has left it. */
  *cutFile(): Step<void> {
    if (this.#storage.sizeBytes > this.#end) yield* truncateStorage(this.#storage, this.#end);
  }

  /** Cut before, wherever it has to read as zeros. */
  reserve(lengthBytes: number): number {
    const hostOffset = this.#end;
    this.#end = alignUp(hostOffset + lengthBytes, this.#alignment);
    return hostOffset;
  }

  /** Gives back space that nothing names, when it is the last; otherwise it stays taken. */
  *unreserve(hostOffset: number, lengthBytes: number): Step<void> {
    if (alignUp(hostOffset + lengthBytes, this.#alignment) !== this.#end) return;
    this.#end = hostOffset;
    yield* this.cutFile();
  }
}
