/** What only some disks can do. */
import type { BitmapInfo, SnapshotInfo } from './format/snapshot-info.ts';
import type { DirtyGuestRange, Preallocation } from './format/writer-capabilities.ts';
import type { BackingReference } from './open/reference.ts';

/**
 * A part is undefined where the format has no such thing. Resizing, backing, amending, compression and copyUp
 * are there only when the disk was opened for writing. Snapshots and bitmaps are there on a disk for
 * reading as well, to be listed and read; what changes them fails with `read-only` then.
 */
export interface DiskCapabilities {
  /** Whether the methods that end in `Sync` work; they throw `unsupported` otherwise. */
  readonly synchronous: boolean;
  readonly resizing: DiskResizing | undefined;
  /** Internal snapshots. */
  readonly snapshots: DiskSnapshots | undefined;
  /** Persistent dirty bitmaps. */
  readonly bitmaps: DiskBitmaps | undefined;
  /** The image below, and giving up what this one holds in favour of it. */
  readonly backing: DiskBacking | undefined;
  readonly amending: DiskAmending | undefined;
  /** Writing compressed data. */
  readonly compression: DiskCompression | undefined;
  /** The state of a virtual machine that was stopped. */
  readonly vmState: DiskVmState | undefined;
  /** Taking in what the images below hold. */
  readonly copyUp: DiskCopyUp | undefined;
}

export interface DiskCopyUp {
  /**
   * Copies into the image what it does not hold itself of a range, be it zeros. The disk reads the
   * same before and after; a write that is made meanwhile is not undone. Safe after the next flush.
   * @throws DiskError `out-of-range`, `no-space`, `io`
   */
  copy(guestOffset: number, lengthBytes: number): Promise<void>;
  copySync(guestOffset: number, lengthBytes: number): void;
}

/** Bytes beside the disk, from 0 on: what was never written reads as zeros. */
export interface DiskVmState {
  /** Fills all of `dst`. */
  read(dst: Uint8Array, offset: number): Promise<void>;
  readSync(dst: Uint8Array, offset: number): void;
  /**
   * Durable when it returns.
   * @throws DiskError `read-only`, `limit` where the image has no room so far out, `no-space`, `io`
   */
  write(src: Uint8Array, offset: number): Promise<void>;
  writeSync(src: Uint8Array, offset: number): void;
}

export interface ResizeOptions {
  /** Allows a smaller size; what lies beyond it is lost. Default false. */
  readonly shrink?: boolean;
  /** How space that is added is set aside. Default `off`. */
  readonly preallocation?: Preallocation;
}

export interface DiskResizing {
  /**
   * Changes the virtual size, rounded up to whole sectors of 512 bytes; the file of
   * a raw disk ends with the last byte that was asked for. Bytes that are added read
   * as zeros. Durable when it returns.
   * @throws DiskError `read-only`, `invalid-argument` for a smaller size without `shrink`,
   *   `unsupported` where the image's state does not allow it, `limit`, `no-space`, `io`
   */
  resize(sizeBytes: number, options?: ResizeOptions): Promise<void>;
  resizeSync(sizeBytes: number, options?: ResizeOptions): void;
}

export interface SnapshotOptions {
  /** When the snapshot was taken; now when left out. */
  readonly date?: Date;
}

/** Snapshots are named by their id or their name; an id counts before a name. */
export interface DiskSnapshots {
  list(): readonly SnapshotInfo[];
  /**
   * Keeps the current content under a name. Durable when it returns, with all that was written
   * before.
   */
  create(name: string, options?: SnapshotOptions): Promise<SnapshotInfo>;
  createSync(name: string, options?: SnapshotOptions): SnapshotInfo;
  /**
   * Goes back to a snapshot; what was written since is lost. The disk may change its size.
   * @throws DiskError `unsupported` where the image has bitmaps: they would not fit what it holds then
   */
  apply(idOrName: string): Promise<void>;
  applySync(idOrName: string): void;
  delete(idOrName: string): Promise<void>;
  deleteSync(idOrName: string): void;
}

export interface BitmapOptions {
  /** Guest bytes that one bit stands for: a power of two. The format has a default. */
  readonly granularityBytes?: number;
  /** Whether writes are recorded in it. Default true. */
  readonly enabled?: boolean;
}

/**
 * What has been written since a bitmap was made or cleared, as far as it was enabled. A change is in
 * the image, all of it or nothing, when it returns. Only what an enabled bitmap holds is in memory
 * until the disk is closed: the image has it flagged as `in-use` meanwhile, and after a crash it says
 * nothing. A bitmap that is listed as `in-use` was not saved properly: it can be removed, and nothing
 * else (`corrupt`).
 */
export interface DiskBitmaps {
  list(): readonly BitmapInfo[];
  create(name: string, options?: BitmapOptions): Promise<void>;
  createSync(name: string, options?: BitmapOptions): void;
  remove(name: string): Promise<void>;
  removeSync(name: string): void;
  /** From now on writes are recorded in it. */
  enable(name: string): Promise<void>;
  enableSync(name: string): void;
  disable(name: string): Promise<void>;
  disableSync(name: string): void;
  clear(name: string): Promise<void>;
  clearSync(name: string): void;
  /** Adds to `target` what is dirty in any of `sources`. */
  merge(target: string, sources: readonly string[]): Promise<void>;
  mergeSync(target: string, sources: readonly string[]): void;
  /**
   * Calls further ranges dirty, as the bitmap of another disk has them.
   * @throws DiskError `out-of-range` for one that leaves the disk
   */
  mark(name: string, ranges: Iterable<DirtyGuestRange>): Promise<void>;
  markSync(name: string, ranges: Iterable<DirtyGuestRange>): void;
  /** The dirty ranges of a bitmap in order, each as long as it goes, within the disk. */
  dirtyRanges(name: string): AsyncIterable<DirtyGuestRange>;
  dirtyRangesSync(name: string): Iterable<DirtyGuestRange>;
}

export interface DiskBacking {
  /** As the image names it; undefined when it stands alone. */
  readonly reference: BackingReference | undefined;
  /**
   * Writes another name for the image below into this one, or none, and looks at neither: what the
   * disk reads after it is opened again is the caller's responsibility (`qemu-img rebase -u`).
   */
  setReference(backing: BackingReference | undefined): Promise<void>;
  setReferenceSync(backing: BackingReference | undefined): void;
  /**
   * Gives up everything that the image itself holds, so that the image below is seen. Internal
   * snapshots keep theirs. When it fails, part may be given up, and it can be repeated.
   */
  dropContent(): Promise<void>;
  dropContentSync(): void;
}

export type FormatOptions = Readonly<Record<string, string | number | boolean>>;

export interface DiskAmending {
  /** Changes options of the format under the names that `qemu-img amend -o` has for them. */
  amend(options: FormatOptions): Promise<void>;
  amendSync(options: FormatOptions): void;
}

export interface CompressOptions {
  /**
   * How much effort goes into smaller data: 1 to 9 for deflate, 6 by default; for zstd from 1 on,
   * 3 by default.
   */
  readonly level?: number;
}

export interface DiskCompression {
  /** Guest bytes that are compressed together. */
  readonly unitBytes: number;
  /**
   * Whether the image holds nothing but compressed units, each written once: all writes are
   * compressed then, of whole units, and what is there already is not replaced.
   */
  readonly isOnlyForm: boolean;
  /**
   * Writes all of `src`, compressed where that makes it smaller, with the guarantees of
   * {@link DiskFile.write}. The range begins where a unit begins, and ends where one ends or at the
   * end of the disk. Bytes that are overwritten later, even in part, are no longer compressed.
   * @throws DiskError `invalid-argument` for another range, or a level that there is not;
   *   `unsupported` for what cannot be replaced; `out-of-range`, `no-space`, `io`
   */
  write(src: Uint8Array, guestOffset: number, options?: CompressOptions): Promise<void>;
  writeSync(src: Uint8Array, guestOffset: number, options?: CompressOptions): void;
}
