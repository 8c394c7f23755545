/** How large an image would become: the question, and the answer. */
import type { Step } from '../step.ts';
import type { FormatDetails } from './format-image.ts';
import type { BitmapInfo } from './snapshot-info.ts';

export interface MeasureContext {
  /** Virtual size. */
  readonly sizeBytes: number;
  /** As for creating an image. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly passphrase?: Uint8Array;
  /** Whether the image is to lie over another one. */
  readonly hasBacking: boolean;
  /** What is to be copied into it; undefined for an image that stays empty. */
  readonly source: MeasuredDisk | undefined;
}

/** A disk that is to be converted. */
export interface MeasuredDisk {
  readonly format: string;
  readonly details: FormatDetails;
  readonly bitmaps: readonly BitmapInfo[];
  /** Bytes of the units that hold data; a unit that holds any counts as a whole. */
  dataBytes(unitBytes: number): Step<number>;
}

/** Sizes of an image file in bytes, without internal snapshots. */
export interface Measurement {
  /** For what is known to be stored. */
  readonly requiredBytes: number;
  /** When all of the disk has been written. */
  readonly fullyAllocatedBytes: number;
  /** For copies of the source's bitmaps; undefined where there cannot be any. */
  readonly bitmapsBytes?: number;
}
