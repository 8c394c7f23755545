/** Errors on their way from one thread to another; a structured clone would lose their fields. */
import { DiskError, type DiskErrorCode, type DiskErrorContext } from '@diskfile/bytes';

export interface ErrorMessage {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** `code` of a host's error: `ENOENT`. */
  readonly code: string | undefined;
  readonly disk: DiskFields | undefined;
  readonly cause: ErrorMessage | undefined;
}

interface DiskFields {
  readonly code: DiskErrorCode;
  readonly detail: string;
  readonly hint: string | undefined;
  readonly context: DiskErrorContext;
}

/** Longest chain of causes that is passed on. */
const MAX_CAUSES = 8;

export function toErrorMessage(error: unknown, depth = 0): ErrorMessage {
  const { name, message, stack, cause } = error instanceof Error ? error : new Error(String(error));
  const hasCause = cause !== undefined && depth < MAX_CAUSES;
  return {
    name,
    message,
    stack,
    code: hostCode(error),
    disk: error instanceof DiskError ? diskFields(error) : undefined,
    cause: hasCause ? toErrorMessage(cause, depth + 1) : undefined,
  };
}

function diskFields({ code, detail, hint, context }: DiskError): DiskFields {
  return { code, detail, hint, context };
}

function hostCode(error: unknown): string | undefined {
  if (error instanceof DiskError || typeof error !== 'object' || error === null) return undefined;
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function fromErrorMessage(given: ErrorMessage): Error {
  const { name, message, stack, code, disk } = given;
  const cause = given.cause === undefined ? undefined : fromErrorMessage(given.cause);
  if (disk !== undefined) {
    const { hint, context } = disk;
    const options = { ...context, ...(hint === undefined ? {} : { hint }), cause };
    return withStack(new DiskError(disk.code, disk.detail, message, options), stack);
  }
  const error = new Error(message, cause === undefined ? undefined : { cause });
  error.name = name;
  if (code !== undefined) Object.assign(error, { code });
  return withStack(error, stack);
}

function withStack<E extends Error>(error: E, stack: string | undefined): E {
  if (stack !== undefined) error.stack = stack;
  return error;
}
