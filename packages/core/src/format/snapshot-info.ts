/** What is known of the snapshots and bitmaps that an image keeps. */

export interface SnapshotInfo {
  readonly id: string;
  readonly name: string;
  /** Virtual size of the disk when the snapshot was taken. */
  readonly diskSizeBytes: number;
  readonly vmStateBytes: number;
  readonly date: { readonly seconds: number; readonly nanoseconds: number };
  readonly vmClockNanoseconds: number;
  /** Instruction count of a recorded execution, where the image holds one. */
  readonly icount?: number;
}

export interface BitmapInfo {
  readonly name: string;
  readonly granularityBytes: number;
  /** `in-use` (was not saved properly), `auto` (QEMU keeps it up to date), … */
  readonly flags: readonly string[];
}
