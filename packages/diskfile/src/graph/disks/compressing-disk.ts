/** A disk whose writes are compressed as far as they fill whole units. */
import { checkAccess, type DiskCompression, type DiskFile } from '@diskfile/core';
import { invalid } from '../options/block-options.ts';
import { DiskFilter } from './disk-filter.ts';

export class CompressingDisk extends DiskFilter {
  /** @throws DiskError `invalid-argument` where the disk below cannot hold compressed data */
  constructor(disk: DiskFile) {
    super(disk, 'compress');
    if (disk.capabilities.compression !== undefined) return;
    if (disk.readOnly && disk.format === 'qcow2') return;
    throw invalid(`Compression is not supported for underlying format: ${disk.format}`);
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new CompressingDisk(disk);
  }

  override writeSync(src: Uint8Array, guestOffset: number): void {
    const compression = this.#compressionOf(
      guestOffset,
      checkAccess(this, 'write', src, guestOffset),
    );
    if (compression === undefined) this.disk.writeSync(src, guestOffset);
    else compression.writeSync(src, guestOffset);
  }

  override async write(src: Uint8Array, guestOffset: number): Promise<void> {
    const compression = this.#compressionOf(
      guestOffset,
      checkAccess(this, 'write', src, guestOffset),
    );
    if (compression === undefined) await this.disk.write(src, guestOffset);
    else await compression.write(src, guestOffset);
  }

  /** Undefined where the range is no whole units. */
  #compressionOf(guestOffset: number, lengthBytes: number): DiskCompression | undefined {
    const { compression } = this.disk.capabilities;
    if (compression === undefined) return undefined;
    const { unitBytes } = compression;
    const end = guestOffset + lengthBytes;
    const isWhole = guestOffset % unitBytes === 0;
    return isWhole && (end % unitBytes === 0 || end === this.sizeBytes) ? compression : undefined;
  }
}
