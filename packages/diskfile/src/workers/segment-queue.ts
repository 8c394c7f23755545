/** The segments of a run, taken by whoever is free: a counter in memory that threads share. */

const NEXT = 0;
const END = 1;
const DONE = 2;
const STOPPED = 3;
const WORDS = 4;

export class SegmentQueue {
  /** What another thread makes a queue on the same memory of. */
  readonly words: Int32Array<SharedArrayBuffer>;

  constructor(words = new Int32Array(new SharedArrayBuffer(WORDS * 4))) {
    this.words = words;
  }

  /** Begins a run. Nobody may still take segments of the one before. */
  restart(segments: number): void {
    Atomics.store(this.words, DONE, 0);
    Atomics.store(this.words, END, segments);
    Atomics.store(this.words, NEXT, 0);
  }

  /** The next segment, counted from the first of the run; undefined when there is none. */
  take(): number | undefined {
    if (Atomics.load(this.words, STOPPED) !== 0) return undefined;
    const index = Atomics.add(this.words, NEXT, 1);
    return index < Atomics.load(this.words, END) ? index : undefined;
  }

  /** Says that a segment which was taken is done. */
  finish(): void {
    Atomics.add(this.words, DONE, 1);
  }

  get doneSegments(): number {
    return Atomics.load(this.words, DONE);
  }

  /** Nothing can be taken from now on, in this run or another. */
  stop(): void {
    Atomics.store(this.words, STOPPED, 1);
  }
}
