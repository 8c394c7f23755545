/** Entries that are printed as they are found: lines for people, or one array of JSON. */
import { jsonText, type JsonValue } from '@diskfile/command';
import type { Program } from '../program.ts';

export interface ListForm {
  readonly isJson: boolean;
  /** Whether to count the entries only; JSON is printed all the same. */
  readonly isQuiet: boolean;
  /** Printed before the first line. */
  readonly heading?: string;
}

export class List {
  readonly #program: Program;
  readonly #form: ListForm;
  #count = 0;

  constructor(program: Program, form: ListForm) {
    this.#program = program;
    this.#form = form;
  }

  get count(): number {
    return this.#count;
  }

  add(value: JsonValue, line: string): void {
    const { isJson, isQuiet, heading } = this.#form;
    const isFirst = this.#count === 0;
    this.#count += 1;
    if (isJson) {
      this.#program.output.text(`${isFirst ? '[' : ','}\n    ${jsonText(value, 1)}`);
    } else if (!isQuiet) {
      if (isFirst && heading !== undefined) this.#program.line(heading);
      this.#program.line(line);
    }
  }

  end(): void {
    if (this.#form.isJson) this.#program.line(this.#count === 0 ? '[]' : '\n]');
  }
}
