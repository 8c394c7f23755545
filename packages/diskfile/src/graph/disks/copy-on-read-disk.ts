/** A disk that keeps a copy of whatever is read from images below it. */
import { alignDown, alignUp } from '@diskfile/bytes';
import { checkAccess, type DiskFile } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';

export class CopyOnReadDisk extends DiskFilter {
  constructor(disk: DiskFile) {
    super(disk, 'copy-on-read');
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new CopyOnReadDisk(disk);
  }

  override readSync(dst: Uint8Array, guestOffset: number): void {
    const { start, length } = this.#units(guestOffset, checkAccess(this, 'read', dst, guestOffset));
    if (length > 0) this.disk.capabilities.copyUp?.copySync(start, length);
    this.disk.readSync(dst, guestOffset);
  }

  override async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    const { start, length } = this.#units(guestOffset, checkAccess(this, 'read', dst, guestOffset));
    if (length > 0) await this.disk.capabilities.copyUp?.copy(start, length);
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
