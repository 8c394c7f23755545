/**
 * The one error class. Every refusal in diskfile, from a bad argument to a corrupt image, is a
 * {@link DiskError}: a stable `code` to branch on, a fine-grained `detail` to search for, and the
 * context that each layer added on the way up.
 */

/** Stable error codes and the errno that each stands for when a caller speaks POSIX. */
export const DISK_ERROR_ERRNO = {
  corrupt: 'EILSEQ',
  unsupported: 'ENOTSUP',
  denied: 'EACCES',
  'not-found': 'ENOENT',
  'out-of-range': 'ERANGE',
  'read-only': 'EROFS',
  busy: 'EBUSY',
  'no-space': 'ENOSPC',
  io: 'EIO',
  'invalid-argument': 'EINVAL',
  'wrong-key': 'EKEYREJECTED',
  limit: 'E2BIG',
  aborted: 'ECANCELED',
} as const;

export type DiskErrorCode = keyof typeof DISK_ERROR_ERRNO;

/** Where an error happened. Layers add what they know; an inner layer's word is kept. */
export interface DiskErrorContext {
  /** The operation that failed, as a caller would name it: `open`, `read`, `readdir`. */
  op?: string;
  /** Host path (or storage name) of the file at fault. */
  path?: string;
  /** Path inside the guest, when a filesystem is involved. */
  guestPath?: string;
  /** Format or filesystem id: `qcow2`, `gpt`, `ext4`. */
  format?: string;
  /** Byte offset within `path` (or within the guest disk for `layer: 'guest'`). */
  offset?: number;
  /** What was asked of a disk, where work over whole disks came to nothing by it. */
  request?: 'read' | 'write' | 'block-status';
  /** What space on the host was wanted for that could not be had, where no place tells of it. */
  purpose?: 'preallocation' | 'preallocated-zeros' | 'l1-table' | 'bat' | 'block-map';
  /** Byte offset within that disk at which the range asked for begins. */
  guestOffset?: number;
  /** Number of that disk among those that the work is about, from 0. */
  operand?: number;
  /** Length in bytes of the range concerned. */
  length?: number;
  /** How far down its backing chain the image at fault is; left out for the one that was opened. */
  depth?: number;
  /** Which part of the stack: `storage`, `format`, `engine`, `partition`, `filesystem`. */
  layer?: string;
}

export interface DiskErrorOptions extends DiskErrorContext {
  /** What the user can do about it, as a whole sentence. */
  hint?: string;
  cause?: unknown;
}

/**
 * Any failure that diskfile reports.
 *
 * @example
 * throw new DiskError('corrupt', 'qcow2.l1-table-unaligned', 'L1 table is not cluster aligned', {
 *   path, offset: 40, hint: 'Run a check on the image.',
 * });
 */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  /** One of a small stable set; safe to branch on. */
  readonly code: DiskErrorCode;
  /** Fine-grained and dotted: `qcow2.l1-table-unaligned`. */
  readonly detail: string;
  /** POSIX name: the host's own errno where one caused this, else the one that `code` maps to. */
  readonly errno: string;
  readonly hint: string | undefined;
  readonly context: DiskErrorContext;

  constructor(
    code: DiskErrorCode,
    detail: string,
    message: string,
    options: DiskErrorOptions = {},
  ) {
    const { hint, cause, ...context } = options;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
    this.hint = hint;
    this.context = context;
    this.errno = hostErrno(cause) ?? DISK_ERROR_ERRNO[code];
  }

  /** Adds what an outer layer knows. What an inner layer said already is kept. */
  addContext(outer: DiskErrorContext): this {
    for (const [key, value] of Object.entries(outer)) {
      if (value !== undefined && !(key in this.context)) {
        Object.assign(this.context, { [key]: value });
      }
    }
    return this;
  }

  /** One line for a terminal: what happened, where, what to do. */
  describe(): string {
    const { path, guestPath, offset } = this.context;
    const where = [path, guestPath === undefined ? undefined : `guest path ${guestPath}`];
    if (offset !== undefined) where.push(`offset ${offset}`);
    const known = where.filter((part) => part !== undefined && !this.message.includes(part));
    const place = known.length === 0 ? '' : ` (${known.join(', ')})`;
    const hint = this.hint === undefined ? '' : ` ${this.hint}`;
    return `${this.message}${place}.${hint}`.replaceAll(/\.\.( |$)/g, '.$1');
  }

  toJSON(): Record<string, unknown> {
    const cause = this.cause instanceof Error ? { cause: this.cause.message } : {};
    const hint = this.hint === undefined ? {} : { hint: this.hint };
    const { code, detail, errno, message, context } = this;
    return { name: this.name, code, detail, errno, message, ...hint, context, ...cause };
  }
}

function hostErrno(cause: unknown): string | undefined {
  if (cause instanceof DiskError) return cause.errno;
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined;
  const { code } = cause;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
