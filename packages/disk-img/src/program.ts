/** The running program: its name, what it says, and how it ends. */
import { basename } from 'node:path';
import { damageOf, isTerminal, Output, writeError } from '@diskfile/command';
import { DiskError } from 'diskfile';
import { failureJson, warningJson } from './words/error-json.ts';
import { hintOf } from './words/hints.ts';

const STDERR = 2;
const WIPE_LINE = '\r\u001b[K';

/** The name by which scripts know the program whose language this one speaks. */
const LOOK_ALIKE = 'qemu-img';

export interface FailureOptions {
  readonly exitCode?: number;
  readonly isUsage?: boolean;
  readonly tail?: string;
  /** The error that it is about, or another failure that is told in other words; may know what to try. */
  readonly cause?: unknown;
  /** What to try, where the command knows better than the error. */
  readonly hint?: string | undefined;
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
  readonly hint: string | undefined;

  constructor(
    lines: string | readonly string[],
    { exitCode = 1, isUsage = false, tail = '', cause, hint }: FailureOptions = {},
  ) {
    super(typeof lines === 'string' ? lines : lines.join('\n'), {
      cause: cause instanceof Failure ? cause.cause : cause,
    });
    this.lines = typeof lines === 'string' ? [lines] : lines;
    this.exitCode = exitCode;
    this.isUsage = isUsage;
    this.tail = tail;
    this.hint = hint ?? (cause instanceof Failure ? cause.hint : hintOf(cause));
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
  /** Whether a person reads standard error; no when left out. */
  isErrorTerminal?(): boolean;
}

const PROCESS_STREAMS: Streams = {
  output: new Output(),
  writeError,
  isErrorTerminal: () => isTerminal(STDERR),
};

export class Program {
  /** What it was called by: a link named `qemu-img` says `qemu-img: …`. */
  readonly name: string;
  /** Whether it stands in for qemu-img, so that it says what that one says and nothing else. */
  readonly isLookAlike: boolean;
  /** Whether all that goes to standard error is lines of JSON, progress among it. */
  jsonLines = false;
  /**
   * Whether it speaks to a program, by its own name: one document of JSON is all that goes to standard
   * output, and warnings and failures are lines of JSON on standard error.
   */
  isJson = false;
  /** Whether the image that it works on is open for writing. */
  isWriting = false;
  readonly output: Streams['output'];
  readonly #streams: Streams;
  /** Whether the line of the terminal is drawn on. */
  #isDrawn = false;

  constructor(path: string, streams = PROCESS_STREAMS) {
    this.output = streams.output;
    this.#streams = streams;
    this.name = basename(path).replace(/\.[cm]?js$/, '');
    this.isLookAlike = this.name === LOOK_ALIKE;
  }

  line(text: string): void {
    this.#wipe();
    this.output.text(`${text}\n`);
  }

  /** A line for people, who like to read that something was done. */
  remark(text: string): void {
    if (!this.isJson) this.line(text);
  }

  get #warnsInJson(): boolean {
    return this.isJson || this.jsonLines;
  }

  /** What is worth knowing and no failure: a line on standard error, behind the program's name. */
  warn(text: string): void {
    if (this.#warnsInJson) this.rawWarning(text);
    else this.#error(text);
  }

  /** The same for lines that are printed as they are; to programs, all are one warning. */
  rawWarning(lines: string): void {
    this.rawError(this.#warnsInJson ? warningJson(lines) : lines);
  }

  /** Whether both streams lead to a terminal. */
  get canDraw(): boolean {
    return this.output.isTerminal && this.#streams.isErrorTerminal?.() === true;
  }

  /** Draws on the current line of the terminal, in the place of what was drawn there. */
  draw(text: string): void {
    this.output.flush();
    this.#streams.writeError(`${this.#isDrawn ? WIPE_LINE : ''}${text}`);
    this.#isDrawn = true;
  }

  /** What is drawn stays; other text comes below. */
  endDrawing(): void {
    if (this.#isDrawn) this.#streams.writeError('\n');
    this.#isDrawn = false;
  }

  #wipe(): void {
    if (this.#isDrawn) this.#streams.writeError(WIPE_LINE);
    this.#isDrawn = false;
  }

  /** Text on standard error as it is; what was printed before comes first. */
  rawError(text: string): void {
    this.#wipe();
    // Into a pipe or a file, QEMU prints what goes to standard output when it ends.
    if (!this.isLookAlike || this.output.isTerminal) this.output.flush();
    this.#streams.writeError(text);
  }

  /** Says why the program ends. @returns its exit code */
  fail(failure: Failure): number {
    this.#tellOfDamage(failure.cause);
    if (this.#warnsInJson) this.rawError(failureJson(failure));
    else this.#failInWords(failure);
    return failure.exitCode;
  }

  #failInWords({ lines, tail, hint, isUsage }: Failure): void {
    for (const line of lines) this.#error(line);
    if (tail !== '') this.rawError(tail);
    if (hint !== undefined && !this.isLookAlike) this.#error(hint);
    if (isUsage) this.rawError(`Try '${this.name} --help' for more information\n`);
  }

  /** QEMU tells of damage where it finds it, and marks the image if it can. */
  #tellOfDamage(cause: unknown): void {
    const damage = cause instanceof DiskError ? damageOf(cause) : undefined;
    if (damage === undefined) return;
    this.rawWarning(
      this.isWriting
        ? `qcow2: Marking image as corrupt: ${damage}; further corruption events will be suppressed\n`
        : `qcow2: Image is corrupt: ${damage}; further non-fatal corruption events will be suppressed\n`,
    );
  }

  #error(line: string): void {
    this.rawError(`${this.name}: ${line}\n`);
  }
}
