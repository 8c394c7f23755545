/** Standard output, written synchronously: no stream between the image and the pipe. */
import { encodeName } from '@diskfile/bytes';
import { BrokenPipe } from './ended.ts';
import { isTerminal } from './is-terminal.ts';
import { printable } from './printable.ts';
import { writeFailure } from './write-failure.ts';
import { hostCode, writeFully } from './write-fully.ts';

const STDOUT = 1;
const TEXT_BUFFER_BYTES = 64 * 1024;

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
    writeOut(bytes);
  }

  /** Hands over all text. @throws BrokenPipe when nobody reads any more. */
  flush(): void {
    if (this.#text === '') return;
    const bytes = encodeName(this.#text);
    this.#text = '';
    writeOut(bytes);
  }
}

function writeOut(bytes: Uint8Array): void {
  try {
    writeFully(STDOUT, bytes);
  } catch (error) {
    const code = hostCode(error);
    if (code === 'EPIPE' || code === 'EOF') throw new BrokenPipe('', { cause: error });
    throw writeFailure(error, 'standard output');
  }
}
