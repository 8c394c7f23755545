/** What the program says: standard output as the C library buffers it, and standard error at once. */
import { fstatSync } from 'node:fs';
import { hostCode, writeError, writeFully } from '@diskfile/command';

const STDOUT = 1;
/** Where both streams lead to one file, this decides what stands before what. */
const BLOCK_BYTES = 4096;

export class Console {
  /** Name under which the program was called. */
  readonly name: string;
  readonly #byLine: boolean;
  #pending = Buffer.alloc(0);

  constructor(name: string) {
    this.name = name;
    this.#byLine = fstatSync(STDOUT).isCharacterDevice();
  }

  out(text: string): void {
    this.#pending = Buffer.concat([this.#pending, Buffer.from(text)]);
    const whole = this.#byLine
      ? this.#pending.lastIndexOf(0x0a) + 1
      : this.#pending.length - (this.#pending.length % BLOCK_BYTES);
    this.#write(whole);
  }

  /** Hands over all of standard output. */
  flush(): void {
    this.#write(this.#pending.length);
  }

  err(text: string): void {
    writeError(text);
  }

  /** A message behind the program's name. */
  error(message: string): void {
    this.err(`${this.name}: ${message}\n`);
  }

  #write(length: number): void {
    if (length === 0) return;
    const ready = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    writeOut(ready);
  }
}

/** A reader that is gone takes no interest in the rest. */
function writeOut(bytes: Uint8Array): void {
  try {
    writeFully(STDOUT, bytes);
  } catch (error) {
    if (hostCode(error) === undefined) throw error;
  }
}
