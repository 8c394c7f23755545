/** The running program: its name, what it says, and how it ends. */
import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { Output } from '@diskfile/command';
import { hintOf } from './words/hints.ts';

const STDERR = 2;

/** The name by which scripts know the program whose language this one speaks. */
const LOOK_ALIKE = 'qemu-img';

export interface FailureOptions {
  readonly exitCode?: number;
  readonly isUsage?: boolean;
  readonly tail?: string;
  /** The error that it is about, which may know what to try. */
  readonly cause?: unknown;
}

/** Ends the program. Each line is reported behind the program's name. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly lines: readonly string[];
  readonly exitCode: number;
  /** Whether the command line itself is at fault, so that the help is worth a look. */
  readonly isUsage: boolean;
  /** Printed after the lines as it is. */
  readonly tail: string;

  constructor(
    lines: string | readonly string[],
    { exitCode = 1, isUsage = false, tail = '', cause }: FailureOptions = {},
  ) {
    super(typeof lines === 'string' ? lines : lines.join('\n'), { cause });
    this.lines = typeof lines === 'string' ? [lines] : lines;
    this.exitCode = exitCode;
    this.isUsage = isUsage;
    this.tail = tail;
  }
}

/** The command line makes no sense. */
export function usage(line: string): Failure {
  return new Failure(line, { isUsage: true });
}

/** Where a program says something. */
export interface Streams {
  readonly output: Pick<Output, 'text' | 'bytes' | 'flush' | 'isTerminal'>;
  /** Standard error, at once. */
  writeError(text: string): void;
}

const PROCESS_STREAMS: Streams = {
  output: new Output(),
  writeError: (text) => void writeSync(STDERR, text),
};

export class Program {
  /** What it was called by: a link named `qemu-img` says `qemu-img: …`. */
  readonly name: string;
  /** Whether it stands in for qemu-img, so that it says what that one says and nothing else. */
  readonly isLookAlike: boolean;
  /** Whether progress goes to standard error as lines of JSON. */
  jsonLines = false;
  readonly output: Streams['output'];
  readonly #streams: Streams;

  constructor(path: string, streams = PROCESS_STREAMS) {
    this.output = streams.output;
    this.#streams = streams;
    this.name = basename(path).replace(/\.[cm]?js$/, '');
    this.isLookAlike = this.name === LOOK_ALIKE;
  }

  line(text: string): void {
    this.output.text(`${text}\n`);
  }

  /** A line on standard error, behind the program's name; what was printed before comes first. */
  error(text: string): void {
    this.rawError(`${this.name}: ${text}\n`);
  }

  rawError(text: string): void {
    // Into a pipe or a file, QEMU prints what goes to standard output when it ends.
    if (!this.isLookAlike || this.output.isTerminal) this.output.flush();
    this.#streams.writeError(text);
  }

  /** Says why the program ends. @returns its exit code */
  fail(failure: Failure): number {
    for (const line of failure.lines) this.error(line);
    if (failure.tail !== '') this.rawError(failure.tail);
    const hint = this.isLookAlike ? undefined : hintOf(failure.cause);
    if (hint !== undefined) this.error(hint);
    if (failure.isUsage) this.rawError(`Try '${this.name} --help' for more information\n`);
    return failure.exitCode;
  }
}
