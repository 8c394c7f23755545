/** Lines of standard input, one at a time. */
import { read } from 'node:fs';

const STDIN = 0;
const CHUNK_BYTES = 64 * 1024;
/** Longest line that is taken as one. */
const MAX_LINE_BYTES = 1024 * 1024;

export class LineInput {
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  #rest = Buffer.alloc(0);
  #ended = false;

  /** Undefined at the end. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      const length = end === -1 ? this.#rest.length : end;
      if (end !== -1 || length >= MAX_LINE_BYTES || (this.#ended && length > 0)) {
        const line = this.#rest.toString('utf8', 0, length);
        this.#rest = this.#rest.subarray(length + 1);
        return line;
      }
      if (this.#ended) return undefined;
      await this.#fill();
    }
  }

  /** Other requests go on while a person or a slow script thinks. */
  async #fill(): Promise<void> {
    const count = await new Promise<number>((resolve, reject) => {
      read(STDIN, this.#chunk, 0, CHUNK_BYTES, null, (error, bytes) => {
        if (error === null) resolve(bytes);
        else if (error.code === 'EAGAIN') resolve(-1);
        else if (error.code === 'EOF' || error.code === 'EBADF') resolve(0);
        else reject(error);
      });
    });
    if (count === -1) await new Promise((resolve) => void setTimeout(resolve, 1));
    else if (count === 0) this.#ended = true;
    else this.#rest = Buffer.concat([this.#rest, this.#chunk.subarray(0, count)]);
  }
}
