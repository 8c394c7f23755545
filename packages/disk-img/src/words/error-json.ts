/** What goes to standard error, in the form that programs read: one object a line. */
import { DiskError } from 'diskfile';

interface Told {
  readonly lines: readonly string[];
  readonly tail: string;
  readonly cause?: unknown;
  readonly hint?: string | undefined;
}

/** What people would be told, and what the error behind it says to programs. Nothing for no failure. */
export function failureJson({ lines, tail, cause, hint }: Told): string {
  if (lines.length === 0) return '';
  const message = [...lines, tail.trimEnd()].filter((part) => part !== '').join('\n');
  const { code, detail } = cause instanceof DiskError ? cause : {};
  return lineOf({ error: { code, detail, message, hint } });
}

export function warningJson(lines: string): string {
  return lineOf({ warning: { message: lines.trimEnd() } });
}

function lineOf(value: Readonly<Record<string, object>>): string {
  return `${JSON.stringify(value)}\n`;
}
