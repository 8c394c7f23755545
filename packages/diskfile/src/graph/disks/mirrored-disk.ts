/** A disk that is kept more than once, byte for byte. */
import { type DiskCapabilities, type ImageInfo, noCapabilities } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';

/** Starts from the first copy; the others are the filter's own. */
export class MirroredDisk extends DiskFilter {
  /** What changes more than bytes would have to be done to all copies at once, or to none. */
  override get capabilities(): DiskCapabilities {
    return noCapabilities(this.synchronous);
  }

  override info(): readonly ImageInfo[] {
    const [info] = this.disk.info();
    const none = { backing: undefined, snapshots: [], bitmaps: [], details: {} };
    return [{ ...info!, ...none, format: this.format, clusterBytes: 1 }];
  }

  /** What copies read after a discard need not be the same. */
  override discardSync(): void {}

  override async discard(): Promise<void> {}
}
