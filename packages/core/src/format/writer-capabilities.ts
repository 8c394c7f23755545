/**
 * What a format can do beyond writing bytes. Each part is there only where the format has it. The
 * engine calls one method at a time, alone, and flushes right after each; a method that fails has
 * changed nothing that counts.
 */
import type { BackingReference } from '../open/reference.ts';
import type { Step } from '../step.ts';
import type { WritableStorage } from '../storage.ts';
import type { SnapshotInfo } from './snapshot-info.ts';

export type Preallocation = 'off' | 'metadata' | 'falloc' | 'full';

export interface ResizeRequest {
  /** New size, whole sectors; smaller than the current one only when the caller allowed that. */
  readonly sizeBytes: number;
  /** Where the file ends if it {@link ImageResizer.endsAnywhere}; else the new size. */
  readonly exactBytes: number;
  /** How the space that is added is set aside; `off` when the disk gets smaller. */
  readonly preallocation: Preallocation;
  /**
   * Size of the disk below, 0 without one. What it holds beyond the current end must not come to
   * light: bytes that are added read as zeros.
   */
  readonly backingBytes: number;
  /**
   * Writes zeros as a guest would, copy-on-write included, and before or behind the end of the
   * disk. What is copied from behind the end is zeros as well, whatever lies below.
   */
  writeZeros(guestOffset: number, lengthBytes: number): Step<void>;
  /** Waits until no read from `guestOffset` on is under way that began when it was in the disk. */
  readsEnded(guestOffset: number): Step<void>;
}

export interface ImageResizer {
  /** Other modes are refused before {@link resize} is called. */
  readonly preallocations: readonly Preallocation[];
  /** Whether the file may end within a sector; false when left out. */
  readonly endsAnywhere?: boolean;
  resize(request: ResizeRequest): Step<void>;
}

export interface SnapshotRequest {
  readonly name: string;
  readonly date: { readonly seconds: number; readonly nanoseconds: number };
}

export interface SnapshotWriter {
  /** Keeps the current state under a new id. */
  create(request: SnapshotRequest): Step<SnapshotInfo>;
  /** Makes the disk, its size included, what it was when the snapshot was taken. */
  apply(id: string): Step<void>;
  delete(id: string): Step<void>;
}

export interface NewBitmap {
  readonly name: string;
  /** A power of two; the format's default when undefined. */
  readonly granularityBytes: number | undefined;
  /** Whether writes are recorded in it from now on. */
  readonly enabled: boolean;
}

export interface BitmapWriter {
  create(bitmap: NewBitmap): Step<void>;
  remove(name: string): Step<void>;
  enable(name: string): Step<void>;
  disable(name: string): Step<void>;
  clear(name: string): Step<void>;
  /** Adds to `target` what is dirty in any of `sources`. */
  merge(target: string, sources: readonly string[]): Step<void>;
  /** Calls further ranges of the disk dirty, all of them or none. */
  mark(name: string, ranges: Iterable<DirtyGuestRange>): Step<void>;
  /** Hot path, no I/O: a guest range is about to be changed. */
  markWritten(guestOffset: number, lengthBytes: number): void;
}

/** A run of guest bytes that a bitmap calls dirty. */
export interface DirtyGuestRange {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

export interface BitmapReader {
  /** The first dirty range that begins or goes on at `guestOffset` or later, before `end`. */
  nextDirty(name: string, guestOffset: number, end: number): Step<DirtyGuestRange | undefined>;
}

export interface BackingWriter {
  /** Changes which image is named as the one below; what the disk reads there is the caller's. */
  setBacking(backing: BackingReference | undefined): Step<void>;
  /**
   * Gives up everything that the image itself holds, so that the image below is seen. A failure may
   * leave part of it given up.
   */
  dropContent(): Step<void>;
}

export interface AmendContext {
  /** Makes the disk larger. @throws DiskError when it would get smaller, or cannot be resized */
  resize(sizeBytes: number): Step<void>;
}

export interface ImageAmender {
  /** Changes options of the format under the names that `qemu-img amend -o` has for them. */
  amend(
    options: Readonly<Record<string, string | number | boolean>>,
    context: AmendContext,
  ): Step<void>;
}

export interface CompressedWriter {
  /** Guest bytes that are encoded together; a power of two. */
  readonly unitBytes: number;
  /** Which encoder makes what the image's reader decodes. */
  readonly encoderId: string;
  /** Whether units come in the order of the disk alone, each once. False when left out. */
  readonly inOrder?: boolean;
  /** There where the image holds nothing but encoded units. */
  readonly framing?: UnitFraming;
  /**
   * Sets host space aside for units that follow one another in the guest: for the first at least,
   * and for as many of the others as the format likes to do at once.
   * @param hostLengths of the units in bytes: of their encoded form, each less than
   *   {@link unitBytes}, or of the whole frame
   */
  allocate(guestOffset: number, hostLengths: readonly number[]): Step<EncodedAllocation>;
  /** Called when all of a new disk has been compressed. */
  finish?(): Step<void>;
}

/**
 * How units are kept that have no other form than the encoded one: plain writes are encoded as
 * well, whatever length that gives. The last unit of the disk is no longer than what the disk has
 * of it.
 */
export interface UnitFraming {
  /** Bytes that stand before the encoded form. */
  readonly headerBytes: number;
  /** Zeros are added until the whole is a multiple of this. */
  readonly alignmentBytes: number;
  /** Longest encoded form that a unit can get. */
  readonly maxEncodedBytes: number;
  writeHeader(header: Uint8Array, guestOffset: number, encodedBytes: number): void;
}

/** Host space for encoded units; like `Allocation` otherwise. */
export interface EncodedAllocation {
  readonly storage: WritableStorage;
  /** Where each unit goes, in the order of the units. */
  readonly hostOffsets: readonly number[];
  commit(): Step<void>;
  cancel(): Step<void>;
}
