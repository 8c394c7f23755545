/** A disk that keeps a copy of whatever is read from images below it. */
import { alignDown, alignUp } from '@diskfile/bytes';
import type { BlockStatus, DiskFile } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';

/** Most that is read to be kept in one piece. */
const MAX_PIECE_BYTES = 1024 * 1024;

export class CopyOnReadDisk extends DiskFilter {
  constructor(disk: DiskFile) {
    super(disk, 'copy-on-read');
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new CopyOnReadDisk(disk);
  }

  override readSync(dst: Uint8Array, guestOffset: number): void {
    if (!this.readOnly && dst.length > 0) {
      const { start, length } = this.#units(guestOffset, dst.length);
      for (const status of [...this.disk.blockStatusSync(start, length)].filter(isBelow)) {
        for (const [at, bytes] of pieces(status)) {
          const copy = new Uint8Array(bytes);
          this.disk.readSync(copy, at);
          this.disk.writeSync(copy, at);
        }
      }
    }
    this.disk.readSync(dst, guestOffset);
  }

  override async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    if (!this.readOnly && dst.length > 0) {
      const { start, length } = this.#units(guestOffset, dst.length);
      const statuses: BlockStatus[] = [];
      for await (const status of this.disk.blockStatus(start, length)) statuses.push(status);
      for (const status of statuses.filter(isBelow)) {
        for (const [at, bytes] of pieces(status)) {
          const copy = new Uint8Array(bytes);
          await this.disk.read(copy, at);
          await this.disk.write(copy, at);
        }
      }
    }
    await this.disk.read(dst, guestOffset);
  }

  /** Whole units of allocation, as far as the disk goes. */
  #units(guestOffset: number, lengthBytes: number): { start: number; length: number } {
    const { clusterBytes } = this.topology;
    const start = alignDown(guestOffset, clusterBytes);
    const end = Math.min(alignUp(guestOffset + lengthBytes, clusterBytes), this.sizeBytes);
    return { start, length: Math.max(0, end - start) };
  }
}

/** Whether the uppermost image does not hold it. */
function isBelow({ depth, allocated }: BlockStatus): boolean {
  return depth > 0 || !allocated;
}

function* pieces({ guestOffset, lengthBytes }: BlockStatus): Generator<[number, number]> {
  for (let done = 0; done < lengthBytes; done += MAX_PIECE_BYTES) {
    yield [guestOffset + done, Math.min(MAX_PIECE_BYTES, lengthBytes - done)];
  }
}
