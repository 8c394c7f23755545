/** Members of an archive one behind the other, as one file. */
import type { Extent, ExtentMap, Step, Storage } from '@diskfile/core';
import type { Member } from './tar.ts';

export class MemberMap implements ExtentMap {
  readonly sizeBytes: number;
  readonly #archive: Storage;
  readonly #members: readonly Member[];
  /** Where each begins in the whole. */
  readonly #starts: readonly number[];

  constructor(archive: Storage, members: readonly Member[]) {
    let sizeBytes = 0;
    this.#starts = members.map((member) => {
      const start = sizeBytes;
      sizeBytes += member.sizeBytes;
      return start;
    });
    this.#archive = archive;
    this.#members = members;
    this.sizeBytes = sizeBytes;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    const member = this.#members[low]!;
    const skip = offset - this.#starts[low]!;
    const length = Math.min(lengthBytes, member.sizeBytes - skip);
    extent.setData(this.#archive, member.offset + skip, length);
    return true;
  }

  /** All is in memory. */
  *load(): Step<void> {}
}
