/** JSON in which guest names keep their bytes and cannot play tricks on a terminal. */
import type { Output } from '@diskfile/command';

/** What a terminal may act on although JSON lets it stand: DEL, C1, separators, direction marks. */
const UNSAFE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** JSON text; lone surrogates, which stand for bytes that are no UTF-8, are escapes in it. */
export function toJsonText(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replaceAll(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function writeJson(output: Output, value: unknown): void {
  output.text(`${toJsonText(value, 2)}\n`);
}

/** An array that is written while it is made: a whole guest does not have to fit into memory. */
export class JsonArray {
  readonly #output: Output;
  #separator = '[\n';

  constructor(output: Output) {
    this.#output = output;
  }

  add(value: unknown): void {
    this.#output.text(`${this.#separator}  ${toJsonText(value)}`);
    this.#separator = ',\n';
  }

  end(): void {
    this.#output.text(this.#separator === '[\n' ? '[]\n' : '\n]\n');
  }
}
