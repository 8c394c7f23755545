/** What every opened disk is, whatever its format: the interface that people program against. */
import type { DiskCapabilities } from './disk-capabilities.ts';
import type { BlockStatus } from './engine/block-status.ts';
import type { DiskWarning } from './format/disk-warning.ts';
import type { Topology } from './format/format-image.ts';
import type { BitmapInfo, SnapshotInfo } from './format/snapshot-info.ts';
import type { ByteSource } from './storage.ts';

/** One image of a chain, described. Everything in it can become JSON. */
export interface ImageInfo {
  readonly path: string;
  readonly format: string;
  readonly virtualSizeBytes: number;
  /** Bytes that the image's files take on the host. */
  readonly allocatedBytes: number;
  readonly clusterBytes: number;
  readonly backing: { readonly name: string; readonly format: string | undefined } | undefined;
  readonly snapshots: readonly SnapshotInfo[];
  readonly bitmaps: readonly BitmapInfo[];
  /** What only this format has, under the names of its specification. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** One operation of a batch. */
export type BatchOperation =
  /** Fills all of `buffer` from `guestOffset`. */
  | { readonly op: 'read'; readonly guestOffset: number; readonly buffer: Uint8Array }
  | WriteOperation
  | (ZeroOptions & { readonly op: 'writeZeroes' } & GuestRange)
  | ({ readonly op: 'discard' } & GuestRange)
  /** Makes durable what was written before the batch and by the operations before this one. */
  | { readonly op: 'flush' };

/** Writes all of `buffer` to `guestOffset`. */
export interface WriteOperation {
  readonly op: 'write';
  readonly guestOffset: number;
  readonly buffer: Uint8Array;
  /** Whether to compress it, as {@link DiskCompression.write} does. Default false. */
  readonly compressed?: boolean;
}

export interface GuestRange {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

export interface ZeroOptions {
  /** Whether the space behind the zeros may be given back. Default true. */
  readonly mayUnmap?: boolean;
  /** Whether to fail (`unsupported`) where zeros would have to be written as data. Default false. */
  readonly tablesOnly?: boolean;
}

/** Outcome of one operation; a failed one leaves its buffer undefined. */
export interface BatchResult {
  readonly error: Error | undefined;
}

/** What a worker thread needs to open the same guest bytes for itself; survives a message. */
export interface DiskDescriptor {
  /** Arguments of whoever opened the disk, for the same function in another thread. */
  readonly opening: unknown;
  /** The window of the opened disk: all of it, or a partition. */
  readonly startBytes: number;
  readonly lengthBytes: number;
}

/**
 * An opened disk: a run of guest bytes. Reads are positional and may overlap freely; a range that
 * leaves the disk is refused with `out-of-range` before anything is read.
 */
export interface DiskFile extends ByteSource, AsyncDisposable, Disposable {
  /** `qcow2`, `raw`, …; for a partition, the format of the disk it is on. */
  readonly format: string;
  /** Logical (virtual) size in bytes; resizing changes it. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly topology: Topology;
  readonly capabilities: DiskCapabilities;
  /** What was noticed while opening and did not stand in the way. */
  readonly warnings: readonly DiskWarning[];

  /** Undefined where the disk cannot be opened a second time by description alone. */
  readonly descriptor: DiskDescriptor | undefined;

  /** Bytes that the files of this disk take on the host, backing images not counted. */
  physicalSizeBytes(): number;
  /** The opened image first, then its backing chain. */
  info(): readonly ImageInfo[];

  /**
   * Ranges of equal status that tile `[guestOffset, guestOffset + lengthBytes)` exactly. Holes are
   * found without reading data. A range that a format describes in very many pieces may come as
   * several ranges of the same status.
   */
  blockStatus(guestOffset?: number, lengthBytes?: number): AsyncIterable<BlockStatus>;
  blockStatusSync(guestOffset?: number, lengthBytes?: number): Iterable<BlockStatus>;

  /**
   * Writes all of `src`. It is visible to every handle at once, and safe from a loss of power after
   * the next {@link flush}. Writes that overlap in time take effect one after the other.
   * @throws DiskError `read-only` unless the disk was opened for writing; `no-space`, `io`
   */
  write(src: Uint8Array, guestOffset: number): Promise<void>;
  writeSync(src: Uint8Array, guestOffset: number): void;
  /** Makes a range read as zeros, without writing them where the format can say so. */
  writeZeroes(guestOffset: number, lengthBytes: number, options?: ZeroOptions): Promise<void>;
  writeZeroesSync(guestOffset: number, lengthBytes: number, options?: ZeroOptions): void;
  /**
   * Tells that the content of a range is no longer needed. Its space is given back as far as the
   * format and the host can; what it reads as afterwards is undefined, zeros in most formats.
   */
  discard(guestOffset: number, lengthBytes: number): Promise<void>;
  discardSync(guestOffset: number, lengthBytes: number): void;
  /** Returns once everything written before, through any handle, survives a loss of power. */
  flush(): Promise<void>;
  flushSync(): void;

  /**
   * Performs many operations as one piece of work. All are checked first: one bad range refuses
   * the batch. After that each succeeds or fails for itself; results stand in the order given, and
   * operations on overlapping ranges take effect in that order.
   */
  submitBatch(operations: readonly BatchOperation[]): Promise<BatchResult[]>;
  submitBatchSync(operations: readonly BatchOperation[]): BatchResult[];

  /** A further handle on the same disk: shares its caches, lives and closes on its own. */
  tryClone(): DiskFile;

  /**
   * Releases the handle; the last one flushes what was written and closes the files, these even
   * when flushing fails. Closing twice is harmless.
   */
  close(): Promise<void>;
  closeSync(): void;
}
