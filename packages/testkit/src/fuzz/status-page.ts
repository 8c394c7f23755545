/**
 * What a fuzzing process tells its watchdog: a few numbers in a file, written before each input.
 * A process that hangs or dies cannot send a message any more; the file still says where it was.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { FuzzTotals } from './fuzz-loop.ts';

export interface Status extends FuzzTotals {
  /** The input that is running. */
  readonly index: number;
}

const FIELDS = 4;

export class StatusPage {
  readonly #fd: number;
  readonly #numbers = new Float64Array(FIELDS);

  constructor(path: string) {
    this.#fd = openSync(path, 'w+');
    this.write({ index: -1, inputs: 0, refused: 0, failures: 0 });
  }

  /** Opens the page that another process writes. */
  static forReading(path: string): { read(): Status; close(): void } {
    const fd = openSync(path, 'r');
    const numbers = new Float64Array(FIELDS);
    return {
      read: () => {
        readSync(fd, numbers, 0, numbers.byteLength, 0);
        const [index, inputs, refused, failures] = numbers as unknown as [
          number,
          number,
          number,
          number,
        ];
        return { index, inputs, refused, failures };
      },
      close: () => closeSync(fd),
    };
  }

  write({ index, inputs, refused, failures }: Status): void {
    this.#numbers.set([index, inputs, refused, failures]);
    writeSync(this.#fd, this.#numbers, 0, this.#numbers.byteLength, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
