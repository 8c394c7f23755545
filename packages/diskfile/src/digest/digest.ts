/** A hash of what a disk holds, the same for every format and every way of storing it. */
import { checkDisk, checkOptions, type DiskFile } from '@diskfile/core';
import { refuseAborted } from '../workers/aborted.ts';
import { SegmentRunner } from '../workers/segment-runner.ts';
import { DigestTree, FAN_OUT, SEGMENT_BYTES } from './digest-tree.ts';
import { endOfZeros } from './zero-run.ts';

export interface DigestProgress {
  /** Guest bytes that are accounted for, holes among them. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface DigestOptions {
  /** Calls the work off. */
  readonly signal?: AbortSignal;
  /** Called about ten times a second, and once at the end. */
  readonly onProgress?: (progress: DigestProgress) => void;
  /**
   * Worker threads that do the work. By default one for each core, up to four, and none for little
   * data. Without any, and for a disk that was not opened by path, the calling thread does it.
   */
  readonly workers?: number;
}

/** Segments between two looks at the tree; bounds memory, whatever the size of the disk. */
const SEGMENTS_PER_RUN = FAN_OUT;
const PROGRESS_MILLISECONDS = 100;

/**
 * Hashes the guest bytes of a disk or partition. Two disks have equal digests exactly when they
 * have equal size and content, whatever their formats, clusters, compression and backing chains.
 * Holes are not read, and zeros that were written count the same as holes.
 *
 * The digest is `diskfile-v1:` and 64 hexadecimal digits, the root of a hash tree over SHA-256:
 *
 * - A leaf is 256 KiB of guest bytes, its digest SHA-256 of them. The last leaf may be shorter.
 * - A segment is 32 leaves (8 MiB), its digest SHA-256 of their digests, one after another. The
 *   last segment may have fewer.
 * - Above that, each run of up to 1024 digests of a level gives one digest of the next, SHA-256 of
 *   them one after another, until a level has only one: the root. A single segment is itself the
 *   root; a disk of size 0 has SHA-256 of nothing.
 * - The digest is SHA-256 of the 12 bytes `diskfile-v1` and NUL, the size of the disk in bytes as
 *   64-bit big-endian number, and the root.
 *
 * The image must not change meanwhile. A file that is replaced or changes its length before the
 * workers have opened it is noticed; a write inside it is not.
 *
 * @throws DiskError `aborted` when the signal asks for it; `busy` when the file was changed; what
 *   reading the disk throws
 * @example
 * await using disk = await openDiskFile('vm.qcow2');
 * console.log(await digest(disk));
 */
export async function digest(disk: DiskFile, options: DigestOptions = {}): Promise<string> {
  checkDisk('digest', disk);
  checkOptions('digest', options, { signal: 'signal', onProgress: 'callback', workers: 'any' });
  const { signal, onProgress, workers } = options;
  const runner = new SegmentRunner(disk, 'digest', {
    maxSegments: SEGMENTS_PER_RUN,
    workers,
    signal,
  });
  const work = new DigestWork(disk, runner, signal);
  const timer = onProgress && setInterval(() => onProgress(work.progress()), PROGRESS_MILLISECONDS);
  try {
    const result = await work.run();
    onProgress?.(work.progress());
    return result;
  } finally {
    clearInterval(timer);
    await runner.close();
  }
}

class DigestWork {
  readonly #disk: DiskFile;
  readonly #runner: SegmentRunner;
  readonly #signal: AbortSignal | undefined;
  readonly #tree = new DigestTree();
  /** Segments that are in the tree. */
  #doneSegments = 0;
  #isRunning = false;

  constructor(disk: DiskFile, runner: SegmentRunner, signal: AbortSignal | undefined) {
    this.#disk = disk;
    this.#runner = runner;
    this.#signal = signal;
  }

  async run(): Promise<string> {
    const { sizeBytes } = this.#disk;
    const segmentCount = Math.ceil(sizeBytes / SEGMENT_BYTES);
    while (this.#doneSegments < segmentCount) {
      refuseAborted(this.#signal, this.#disk.name);
      await this.#skipZeros();
      const end = Math.min(this.#doneSegments + SEGMENTS_PER_RUN, segmentCount);
      if (end > this.#doneSegments) await this.#runSegments(end);
    }
    return this.#tree.finish(sizeBytes);
  }

  async #skipZeros(): Promise<void> {
    const start = this.#doneSegments * SEGMENT_BYTES;
    const end = await endOfZeros(this.#disk, start, SEGMENT_BYTES, this.#signal);
    const count = Math.floor((end - start) / SEGMENT_BYTES);
    this.#tree.addZeroSegments(count);
    this.#doneSegments += count;
  }

  async #runSegments(end: number): Promise<void> {
    this.#isRunning = true;
    this.#tree.addSegments(await this.#runner.run(this.#doneSegments, end));
    this.#isRunning = false;
    this.#doneSegments = end;
  }

  progress(): DigestProgress {
    const running = this.#isRunning ? this.#runner.doneSegments : 0;
    const doneBytes = (this.#doneSegments + running) * SEGMENT_BYTES;
    const totalBytes = this.#disk.sizeBytes;
    return { doneBytes: Math.min(doneBytes, totalBytes), totalBytes };
  }
}
