/** Writing to the streams of the process, at once: nothing is queued between them and the work. */
import { writeSync } from 'node:fs';

const STDERR = 2;
/** Pause before another try when a pipe that does not block is full. */
const RETRY_MILLISECONDS = 0.5;

/** @throws what the host says, unless a pipe is full for now */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      // Whoever started us may share a pipe that does not block, and be slower than we are.
      if (hostCode(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
    }
  }
}

/** Text on standard error. Nobody may listen; that is no reason to fail. */
export function writeError(text: string): void {
  try {
    writeFully(STDERR, Buffer.from(text));
  } catch (error) {
    if (hostCode(error) === undefined) throw error;
  }
}

/** `EPIPE` and the like; undefined for what is no error of the host. */
export function hostCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
