/** What does the segments of a disk, wherever that is. */

export interface SegmentRunner {
  /**
   * Does the segments from `first` up to `end`, at most `maxSegments` of them. One run at a time.
   * @returns the results of the segments in order; they hold until the next run
   */
  run(first: number, end: number): Promise<Uint8Array>;
  /** Segments of the current run that are done. */
  readonly doneSegments: number;
  close(): Promise<void>;
}

export interface SegmentRunnerOptions {
  /** Most segments that one run has; bounds the memory for results. */
  readonly maxSegments: number;
  /** Worker threads: 0 to work in place, undefined to let the disk and the host decide. */
  readonly workers: number | undefined;
  readonly signal: AbortSignal | undefined;
}
