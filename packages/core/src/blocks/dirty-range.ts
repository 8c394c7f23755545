/** Which bytes of a table in memory differ from the file, in whole sectors. */
import { alignDown, alignUp } from '@diskfile/bytes';

/** The unit that hosts write whole or not at all. */
const SECTOR_BYTES = 512;

export class DirtyRange {
  /** The range of bytes that have to be written; empty when both are equal. */
  from = 0;
  to = 0;

  get isEmpty(): boolean {
    return this.from === this.to;
  }

  /** Adds a range of a table that is `tableBytes` long. */
  add(from: number, to: number, tableBytes: number): void {
    const start = alignDown(from, SECTOR_BYTES);
    const end = Math.min(alignUp(to, SECTOR_BYTES), tableBytes);
    this.from = this.isEmpty ? start : Math.min(this.from, start);
    this.to = Math.max(this.to, end);
  }

  clear(): void {
    this.from = 0;
    this.to = 0;
  }
}
