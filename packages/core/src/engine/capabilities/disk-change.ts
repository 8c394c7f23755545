/** How the parts of a disk's capabilities reach the image behind it. */
import type { CompressOptions } from '../../disk-capabilities.ts';
import type { FormatImage } from '../../format/format-image.ts';
import type { ImageWriter } from '../../format/image-writer.ts';
import type { Step } from '../../step.ts';
import type { BehindDisk } from '../behind-disk.ts';

export type CompressStep = (
  src: Uint8Array,
  guestOffset: number,
  options: CompressOptions | undefined,
) => Step<void>;

export type CopyUpStep = (guestOffset: number, lengthBytes: number) => Step<void>;

export interface CapabilityTarget {
  /** The opened image. */
  readonly image: FormatImage;
  /** Size of the disk below the image; 0 without one. */
  readonly backingBytes: number;
  /** Runs what reads the image. */
  read<T>(op: string, body: () => Step<T>): Step<T>;
  /**
   * Runs what changes the image: alone, and flushed when it returns.
   * @throws DiskError `read-only`, or `unsupported` when `pick` finds that the writer cannot do it
   */
  change<P, T>(
    op: string,
    pick: (writer: ImageWriter) => P | undefined,
    body: (part: P) => Step<T>,
  ): Step<T>;
  /** Part of a change: writes zeros as bytes, behind the end of the disk as well. */
  writeZeros(guestOffset: number, lengthBytes: number): Step<void>;
  /** Part of a change: waits for the reads that are under way from there on. */
  readsEnded(guestOffset: number): Step<void>;
  /** Writes compressed; undefined where the image cannot hold compressed data. */
  readonly compress: CompressStep | undefined;
  /** Undefined on a disk for reading. */
  readonly copyUp: CopyUpStep | undefined;
  /** Reads and writes at guest offsets behind the end of the disk, in the image alone. */
  readonly behindDisk: BehindDisk;
  /** @throws DiskError `unsupported` unless the disk works synchronously */
  needSync(op: string): void;
}
