/** Standard error: what went wrong and what is worth knowing, for people or as JSON lines. */
import { printable, writeError } from '@diskfile/command';
import { DiskError } from 'diskfile';
import { UsageError } from './failure.ts';
import { hintOf } from './hints.ts';
import { toJsonText } from './json.ts';

/** A damaged filesystem can have a warning for every block of it. */
const MAX_WARNINGS = 50;

export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
}

export interface Warning {
  readonly detail: string;
  readonly message: string;
}

export class Report {
  /** Whether an error was reported; the exit code follows from it. */
  failed = false;
  readonly #command: string;
  #options: ReportOptions;
  #warningCount = 0;

  constructor(command: string, options: ReportOptions) {
    this.#command = command;
    this.#options = options;
  }

  /** Takes the options from the command line, once it has been understood. */
  configure(options: ReportOptions): void {
    this.#options = options;
  }

  error(error: unknown): void {
    this.failed = true;
    const { json, verbose } = this.#options;
    if (json) {
      writeLine(toJsonText({ command: this.#command, error: toJson(error, verbose) }));
      return;
    }
    writeLine(`${this.#command}: ${printable(describe(error))}`);
    if (verbose) for (const line of explain(error)) writeLine(`  ${printable(line)}`);
  }

  /** Does a part of the work; when the disk refuses it, says so and lets the rest go on. */
  async goingOn(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.error(error);
    }
  }

  warning({ detail, message }: Warning): void {
    if (this.#options.quiet) return;
    this.#warningCount += 1;
    if (this.#warningCount <= MAX_WARNINGS) this.#writeWarning(detail, message);
  }

  warnings(warnings: readonly Warning[]): void {
    for (const warning of warnings) this.warning(warning);
  }

  /** Says how many warnings were held back. */
  finish(): void {
    const hidden = this.#warningCount - MAX_WARNINGS;
    if (hidden > 0) this.#writeWarning('report.more', `there are ${hidden} more warnings`);
  }

  #writeWarning(detail: string, message: string): void {
    const { json, verbose } = this.#options;
    const command = this.#command;
    if (json) writeLine(toJsonText({ command, warning: { detail, message } }));
    else writeLine(printable(`${command}: warning: ${message}${verbose ? ` [${detail}]` : ''}`));
  }
}

/** One line: what happened, where, what to do. */
function describe(error: unknown): string {
  if (error instanceof DiskError) {
    const added = error.hint === undefined ? hintOf(error) : undefined;
    return [error.describe(), ...(added === undefined ? [] : [added])].join(' ');
  }
  if (error instanceof UsageError) return `${error.message}. Try --help.`;
  const message = error instanceof Error ? error.message : String(error);
  if (isHostError(error)) return `${message}.`;
  return `internal error: ${message}. This is a bug; please report it with what --verbose adds.`;
}

/** What the host refuses while a command writes: a full disk, a missing directory. */
function isHostError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function explain(error: unknown): string[] {
  if (error instanceof UsageError) return [];
  const lines: string[] = [];
  if (error instanceof DiskError) {
    const { code, detail, errno, context } = error;
    lines.push(`code: ${code} (${detail}, ${errno})`);
    for (const [key, value] of Object.entries(context)) lines.push(`${key}: ${String(value)}`);
  }
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [first = '', ...frames] = (cause.stack ?? cause.message).split('\n');
    lines.push(cause === error ? first : `caused by: ${first}`, ...frames);
  }
  return lines;
}

function toJson(error: unknown, verbose: boolean): Record<string, unknown> {
  const stack = verbose && error instanceof Error ? { stack: error.stack } : {};
  if (error instanceof DiskError) {
    const hint = hintOf(error);
    return { ...error.toJSON(), ...(hint === undefined ? {} : { hint }), ...stack };
  }
  if (error instanceof UsageError) {
    return { name: error.name, code: 'usage', message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { name: 'Error', code: 'internal', message, ...stack };
}

function writeLine(line: string): void {
  writeError(`${line}\n`);
}
