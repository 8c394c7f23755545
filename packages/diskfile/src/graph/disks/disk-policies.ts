/** What `discard` and `detect-zeroes` make of writes. */
import { isAllZero } from '@diskfile/bytes';
import { checkAccess, type DiskFile, type ZeroOptions } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';

/** A disk that keeps what it is told to give up, but for zeros that may be holes. */
class DiscardIgnoringDisk extends DiskFilter {
  protected override over(disk: DiskFile): DiskFilter {
    return new DiscardIgnoringDisk(disk, this.format);
  }

  override discardSync(): void {}

  override async discard(): Promise<void> {}
}

/** A disk that writes zeros as such, where all of a write is zeros. */
class ZeroDetectingDisk extends DiskFilter {
  readonly #options: ZeroOptions;

  constructor(disk: DiskFile, format: string, options: ZeroOptions) {
    super(disk, format);
    this.#options = options;
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new ZeroDetectingDisk(disk, this.format, this.#options);
  }

  override writeSync(src: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'write', src, guestOffset);
    if (isAllZero(src)) this.disk.writeZeroesSync(guestOffset, src.length, this.#options);
    else this.disk.writeSync(src, guestOffset);
  }

  override async write(src: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'write', src, guestOffset);
    if (isAllZero(src)) await this.disk.writeZeroes(guestOffset, src.length, this.#options);
    else await this.disk.write(src, guestOffset);
  }
}

export interface DiskPolicies {
  readonly discards: boolean;
  readonly detectZeroes: 'off' | 'on' | 'unmap';
}

export function withPolicies(disk: DiskFile, { discards, detectZeroes }: DiskPolicies): DiskFile {
  if (disk.readOnly) return disk;
  const keeping = discards ? disk : new DiscardIgnoringDisk(disk, disk.format);
  if (detectZeroes === 'off') return keeping;
  return new ZeroDetectingDisk(keeping, disk.format, { mayUnmap: detectZeroes === 'unmap' });
}
