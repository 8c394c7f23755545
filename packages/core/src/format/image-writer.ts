/**
 * The writing half of a disk format. Like the reading half it only maps: it says where bytes may
 * go and links them in when they are there. The engine moves guest data, copy-on-write included.
 *
 * The engine calls one method at a time (see `engine/write-lock.ts`), reads go on beside them.
 */
import type { DiskError } from '@diskfile/bytes';
import type { Extent } from '../engine/extent.ts';
import type { Step } from '../step.ts';
import type { WritableStorage } from '../storage.ts';
import type {
  BackingWriter,
  BitmapWriter,
  CompressedWriter,
  ImageAmender,
  ImageResizer,
  SnapshotWriter,
} from './writer-capabilities.ts';

/** Host space set aside for a run of guest bytes and not yet part of the disk. */
export interface Allocation {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  /** First guest byte: at or before the one asked for, on a boundary of {@link ImageWriter.unitBytes}. */
  readonly guestOffset: number;
  /** Whole units; may reach past the end of the disk, where anything but stale bytes will do. */
  readonly lengthBytes: number;
  /** Whether the host space already reads as zeros, so that zeros need not be written. */
  readonly readsAsZero: boolean;
  /**
   * Whether the host sets all of the space aside, also where it is zeros around what is written: a
   * file then ends where its last cluster does. False when left out: such zeros may be holes, or
   * lie behind the end of the file.
   */
  readonly isReserved?: boolean;
  /**
   * Whether no read can be looking at the space, not even one that began when the disk was another.
   * False when left out; the engine then waits for reads of the range.
   */
  readonly isUnread?: boolean;
  /** Whether storages with events are told what is read for copies. False when left out. */
  readonly tellsOfCopies?: boolean;
  /**
   * Makes the space part of the disk. The engine has written every byte by then. Linking happens
   * in memory and reaches the host with {@link ImageWriter.flush}. Fails as a whole, the space
   * then given back or leaked.
   */
  commit(): Step<void>;
  /** Gives the space back after a write that failed. */
  cancel(): Step<void>;
}

/** What a request has done before it asks for more space. */
export interface EarlierPart {
  /**
   * Where its bytes before these end on the host, where there are such: a format may prefer to go on
   * there.
   */
  readonly behind: number | undefined;
  /** Whether it has been given space before. */
  readonly goesOn: boolean;
}

export interface ImageWriter {
  /** Unit of allocation in bytes: a cluster or subcluster; 1 where the format has none. */
  readonly unitBytes: number;
  /**
   * Guest bytes that may share an allocation's space with others: allocations of different blocks
   * may be set aside, filled and committed beside each other. Left out where there may be only one.
   */
  readonly blockBytes?: number;
  /**
   * Whether {@link writeZeroes} and {@link discard} change bytes where they lie, and not tables
   * alone. False when left out.
   */
  readonly zeroesInPlace?: boolean;
  /**
   * Whether a unit of which a part is zeroed becomes zeros in the tables when the rest of it reads
   * as zeros already. False when left out: such a part is left as it is, or written.
   */
  readonly zeroesAround?: boolean;
  /**
   * Bytes that are read and written together wherever they lie, since they are encrypted together:
   * a power of two; 1 when left out.
   */
  readonly sectorBytes?: number;
  readonly resizer?: ImageResizer;
  readonly snapshots?: SnapshotWriter;
  readonly bitmaps?: BitmapWriter;
  readonly backing?: BackingWriter;
  readonly amender?: ImageAmender;
  readonly compression?: CompressedWriter;
  /**
   * Hot path, like `ExtentMap.lookup`: no I/O, no allocation, false on a miss that `load` cures.
   * `data`: may be overwritten where it lies. `backing`: needs {@link allocate} first.
   */
  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean;
  /**
   * Called before all else by an engine that tells of reads. Left out where space waits for a flush
   * and for {@link reclaim} before it is used again.
   * @param endReads whether no read is under way that may look at space which is given up; where
   *   there is none, what was decoded from such space is forgotten
   */
  attach?(endReads: () => boolean): void;
  /**
   * Space for as much of the range as one run of host bytes can hold, at least its first byte.
   * @param before undefined at the start of a request
   */
  allocate(guestOffset: number, lengthBytes: number, before?: EarlierPart): Step<Allocation>;
  /**
   * Makes the range read as zeros by its tables alone.
   * @param mayUnmap whether space behind it may be given back
   * @returns bytes done from `guestOffset` on; 0 when the engine has to write (part of) the first
   *   unit itself
   */
  writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number>;
  /**
   * How much of a range of which {@link writeZeroes} did nothing is written as data, when that is
   * more than its first unit. Left out where it never is.
   */
  zeroesAsData?(guestOffset: number, lengthBytes: number): Step<number>;
  /** Gives back what the range holds, as far as whole units go. What it then reads as is free. */
  discard(guestOffset: number, lengthBytes: number): Step<void>;
  /**
   * Brings the tables to the host in an order in which no loss of power can break the image, and
   * returns once all of it and all data written before is durable. A failed flush can be repeated.
   */
  flush(): Step<void>;
  /**
   * Called once for each flush that succeeded, in their order and between other calls: space freed
   * before that flush may be used again, as no read that saw it in the tables is under way.
   */
  reclaim(): void;
  /**
   * Told of an error of code `corrupt` that a request ended with: marks the image, where the format
   * has a mark that keeps others from writing what is damaged.
   */
  noteDamage?(error: DiskError): Step<void>;
  /** After the last flush: leaves the image marked as cleanly closed. */
  close(): Step<void>;
}
