/** Standard output, written synchronously: no stream between the image and the pipe. */
import { writeSync } from 'node:fs';
import { encodeName } from '@diskfile/bytes';
import { BrokenPipe } from './ended.ts';
import { isTerminal } from './is-terminal.ts';
import { printable } from './printable.ts';
import { writeFailure } from './write-failure.ts';

const STDOUT = 1;
const TEXT_BUFFER_BYTES = 64 * 1024;
/** Pause before another try when a non-blocking pipe is full. */
const RETRY_MILLISECONDS = 0.5;

export class Output {
  readonly isTerminal = isTerminal(STDOUT);
  #text = '';

  /** A line of text in which guest names stand for their bytes; escaped on a terminal. */
  line(text: string): void {
    this.text(`${this.isTerminal ? printable(text) : text}\n`);
  }

  /** Text as it is, for what has no guest names in it or has escaped them itself. */
  text(text: string): void {
    this.#text += text;
    if (this.#text.length >= TEXT_BUFFER_BYTES) this.flush();
  }

  /** Bytes, right now; the buffer is free again afterwards. */
  bytes(bytes: Uint8Array): void {
    this.flush();
    writeFully(bytes);
  }

  /** Hands over all text. @throws BrokenPipe when nobody reads any more. */
  flush(): void {
    if (this.#text === '') return;
    const bytes = encodeName(this.#text);
    this.#text = '';
    writeFully(bytes);
  }
}

function writeFully(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(STDOUT, bytes, written);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE' || code === 'EOF') throw new BrokenPipe('', { cause: error });
      // Whoever started us may share a pipe that does not block, and be slower than we are.
      if (code !== 'EAGAIN') throw writeFailure(error, 'standard output');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
    }
  }
}
