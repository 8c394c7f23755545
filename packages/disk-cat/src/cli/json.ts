/** JSON on standard output. Guest names keep their bytes: lone surrogates are written as escapes. */
import type { Output } from './output.ts';

export function writeJson(output: Output, value: unknown): void {
  output.text(`${JSON.stringify(value, null, 2)}\n`);
}

/** An array that is written while it is made: a whole guest does not have to fit into memory. */
export class JsonArray {
  readonly #output: Output;
  #separator = '[\n';

  constructor(output: Output) {
    this.#output = output;
  }

  add(value: unknown): void {
    this.#output.text(`${this.#separator}  ${JSON.stringify(value)}`);
    this.#separator = ',\n';
  }

  end(): void {
    this.#output.text(this.#separator === '[\n' ? '[]\n' : '\n]\n');
  }
}
