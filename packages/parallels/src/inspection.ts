/** One look at the whole table of an image: what it names, and what is wrong with that. */
import { alignUp } from '@diskfile/bytes';
import {
  type CheckProgress,
  DirtyRange,
  FindingList,
  readInto,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { hex } from './errors.ts';
import { ENTRY_BYTES, HEADER_BYTES, type ParallelsHeader } from './header.ts';
import { IN_USE, SECTOR_BYTES } from './structs.ts';

/** Of the table, read at a time. */
const CHUNK_BYTES = 64 * 1024;

export interface InspectionOptions {
  /** Where entries that lead out of the file are to be cleared. */
  readonly mend?: WritableStorage | undefined;
  readonly onProgress?: (progress: CheckProgress) => void;
}

/** Counts as `qemu-img check` has them. */
export class Inspection {
  corruptions = 0;
  /** Bytes behind the last cluster. */
  leakedBytes = 0;
  leaks = 0;
  allocatedClusters = 0;
  fragmentedClusters = 0;
  /** Behind the last cluster that is in the file. */
  endOffset = 0;
  readonly findings = new FindingList();
  /** The first thing that keeps the image from being written. */
  obstacle: string | undefined;
  readonly header: ParallelsHeader;
  readonly #fileBytes: number;
  readonly #isMending: boolean;
  /** Entries that name a cluster, in the order of the table. */
  readonly #entries: Uint32Array;
  /** Where the next cluster would follow the last one; 0 where there was none. */
  #next = 0;

  private constructor(storage: Storage, header: ParallelsHeader, isMending: boolean) {
    this.header = header;
    this.#isMending = isMending;
    // QEMU counts in whole sectors.
    this.#fileBytes = alignUp(storage.sizeBytes, SECTOR_BYTES);
    this.#entries = new Uint32Array(header.tableEntries);
  }

  static *run(
    storage: Storage,
    header: ParallelsHeader,
    { mend, onProgress }: InspectionOptions = {},
  ): Step<Inspection> {
    const inspection = new Inspection(storage, header, mend !== undefined);
    if (header.inUse === IN_USE.open) inspection.#notClosed();
    const total = header.tableEntries * ENTRY_BYTES;
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, total));
    for (let done = 0; done < total; done += CHUNK_BYTES) {
      onProgress?.({ done, total });
      const part = chunk.subarray(0, Math.min(CHUNK_BYTES, total - done));
      yield* readInto(storage, part, HEADER_BYTES + done);
      const dirty = inspection.#readEntries(done / ENTRY_BYTES, part);
      if (mend === undefined || dirty.isEmpty) continue;
      const { from, to } = dirty;
      yield* writeBytes(mend, part.subarray(from, to), HEADER_BYTES + done + from);
    }
    inspection.#judgeEnd();
    inspection.#judgeOverlaps();
    return inspection;
  }

  #notClosed(): void {
    this.corruptions += 1;
    this.findings.add(() => ({
      kind: 'error',
      detail: 'parallels.check.not-closed',
      message: 'The image was not closed correctly',
      genuineText: 'ERROR image was not closed correctly',
      repaired: false,
    }));
  }

  /** Clears what lies outside. @returns where it did */
  #readEntries(first: number, bytes: Uint8Array): DirtyRange {
    const dirty = new DirtyRange();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const entry = view.getUint32(at, true);
      if (entry === 0) this.#next = 0;
      else if (this.#isKept(first + at / ENTRY_BYTES, entry)) this.#count(entry);
      else {
        this.#next = 0;
        view.setUint32(at, 0, true);
        dirty.add(at, at + ENTRY_BYTES, bytes.length);
      }
    }
    return dirty;
  }

  /** Whether an entry stays as it is, although it may lead out of the file. */
  #isKept(cluster: number, entry: number): boolean {
    const offset = entry * this.header.entryUnitBytes;
    if (offset < this.#fileBytes) return true;
    this.#outside(cluster, offset);
    // QEMU takes a cluster right behind the end for one that is there.
    if (offset === this.#fileBytes) return true;
    this.corruptions += 1;
    return !this.#isMending;
  }

  #count(entry: number): void {
    const offset = entry * this.header.entryUnitBytes;
    this.#entries[this.allocatedClusters] = entry;
    this.allocatedClusters += 1;
    if (this.#next !== 0 && this.#next !== offset) this.fragmentedClusters += 1;
    this.#next = offset + this.header.clusterBytes;
    this.endOffset = Math.max(this.endOffset, this.#next);
  }

  #outside(cluster: number, offset: number): void {
    const message = `Cluster ${cluster} is outside of the image, at ${hex(offset)}`;
    this.obstacle ??= message;
    this.findings.add(() => ({
      kind: 'error',
      detail: 'parallels.check.outside',
      message,
      genuineText: `ERROR cluster ${cluster} is outside image`,
      hostOffset: HEADER_BYTES + cluster * ENTRY_BYTES,
      guestOffset: cluster * this.header.clusterBytes,
      repaired: false,
    }));
  }

  #judgeEnd(): void {
    const { clusterBytes, dataOffset } = this.header;
    if (this.endOffset === 0) this.endOffset = dataOffset;
    this.leakedBytes = Math.max(0, this.#fileBytes - this.endOffset);
    if (this.leakedBytes === 0) return;
    this.leaks = Math.ceil(this.leakedBytes / clusterBytes);
    this.findings.add(() => ({
      kind: 'leak',
      detail: 'parallels.check.leaked-end',
      message: `${this.leakedBytes} bytes of space are leaked at the end of the image`,
      genuineText: `ERROR space leaked at the end of the image ${this.leakedBytes}`,
      hostOffset: this.endOffset,
      repaired: false,
    }));
  }

  /** QEMU does not look for these: clusters that share bytes with each other or with the table. */
  #judgeOverlaps(): void {
    const { clusterBytes, dataOffset, entryUnitBytes } = this.header;
    const entries = this.#entries.subarray(0, this.allocatedClusters).toSorted();
    const step = clusterBytes / entryUnitBytes;
    const first = entries.findIndex(
      (entry, index) =>
        entry * entryUnitBytes < dataOffset || (index > 0 && entry < entries[index - 1]! + step),
    );
    if (first === -1) return;
    const hostOffset = entries[first]! * entryUnitBytes;
    const message = `The cluster at ${hex(hostOffset)} lies where something else is`;
    this.obstacle ??= message;
    this.findings.add(() => ({
      kind: 'error',
      detail: 'parallels.check.overlap',
      message,
      hostOffset,
      repaired: false,
    }));
  }
}
