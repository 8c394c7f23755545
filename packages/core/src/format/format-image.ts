/** What a disk format is to the engine: a map from guest ranges to where their bytes live. */
import type { DiskError } from '@diskfile/bytes';
import type { Extent } from '../engine/extent.ts';
import type { BitmapInfo, SnapshotInfo } from './snapshot-info.ts';
import type { ImageWriter } from './image-writer.ts';
import type { BitmapReader } from './writer-capabilities.ts';
import type { BackingReference, NamedFile } from '../open/reference.ts';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';

/** Maps offsets and never reads guest data itself. */
export interface ExtentMap {
  /** Changes only while its writer resizes the disk or applies a snapshot. */
  readonly sizeBytes: number;
  /**
   * Fills `extent` for the bytes from `guestOffset`, no further than `lengthBytes`, as far as one
   * answer reaches. No I/O and no allocation: false means that a table is not in memory, and the
   * caller runs {@link load} for the same offset and asks again.
   *
   * @param guestOffset within `sizeBytes`
   * @param lengthBytes at least 1, and ending within `sizeBytes`
   */
  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean;
  /** Brings in what {@link lookup} missed. Right after it, the same lookup succeeds. */
  load(guestOffset: number): Step<void>;
  /**
   * Why nothing may be read of the layers below, though it is known where it would lie. Settled once
   * the image below has been looked at ({@link FormatImage.checkBacking}).
   */
  readonly belowFault?: DiskError | undefined;
}

export interface Topology {
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  /** Unit of allocation; 1 where the format has none. */
  readonly clusterBytes: number;
}

/** One of several disks in a file. */
export interface DiskInFile {
  /** As which `disk` of the options of opening it is opened. */
  readonly name: string;
  readonly virtualSizeBytes?: number;
}

/** Facts about an image, for people and programs; everything in it can become JSON. */
export interface FormatDetails {
  readonly [key: string]: unknown;
}

/** Guest offsets behind the disk that hold the state of a virtual machine. */
export interface VmStateArea {
  /** Where it begins; changes with the size of the disk. */
  readonly startGuestOffset: number;
  /** Brings in what lookups up to there need besides the tables of the disk. */
  load(endGuestOffset: number): Step<void>;
  /** Makes room for writing up to there. Left out where the image is only read. */
  reserve?(endGuestOffset: number): Step<void>;
}

export interface FormatImage extends ExtentMap {
  readonly format: string;
  readonly topology: Topology;
  /** The image below, as this one names it; undefined when it stands alone. */
  readonly backing: BackingReference | undefined;
  /**
   * Whether a `data` extent may in truth be a hole of the host's file, so that block status should
   * ask the storage as well. True for raw; for formats with tables of their own, an exception.
   */
  readonly dataMayBeSparse: boolean;
  readonly snapshots?: readonly SnapshotInfo[] | undefined;
  readonly bitmaps?: readonly BitmapInfo[] | undefined;
  /** Reads what the bitmaps hold. */
  readonly bitmapReader?: BitmapReader;
  /** Host bytes that hold this layer: the image file and what it splits its data over. */
  readonly storages: readonly Storage[];
  details(): FormatDetails;
  /**
   * Opens the image below by its name, in place of the gate: for images that lie in an archive
   * together. The caller closes it.
   */
  readonly openNamed?: (file: NamedFile) => Step<Storage>;
  /** The disks that the file holds, where it can hold several. */
  readonly disks?: readonly DiskInFile[];
  /**
   * Judges the image that was found below; left out by formats that do not know what theirs is.
   * @throws DiskError `corrupt` for one that this image was not made over
   */
  checkBacking?(below: FormatImage): void;
  /** Where the state of a virtual machine is kept, in formats that have room for one. */
  readonly vmState?: VmStateArea;
  /** There when the image was opened for writing. */
  readonly writer?: ImageWriter;
}
