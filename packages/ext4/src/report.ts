/**
 * What is wrong with a filesystem: errors that all say the same things about where they happened,
 * and the list of what was noticed and did not stand in the way.
 */
import { DiskError, type DiskErrorCode, type DiskErrorOptions } from '@diskfile/bytes';
import type { DiskWarning } from '@diskfile/core';

/** Warnings kept for one volume; a broken disk would fill the memory with more of the same. */
const MAX_WARNINGS = 100;

const CHECK_HINT = 'Check a copy of the image with e2fsck; the guest would find the same damage.';
const UNSUPPORTED_HINT = 'Copy the files out from within the guest, or try a newer version.';
const LIMIT_HINT = 'This is more than any usual filesystem has; check a copy of it with e2fsck.';

export class Report {
  readonly path: string;
  readonly warnings: DiskWarning[] = [];
  readonly #strict: boolean;
  readonly #seen = new Set<string>();

  constructor(path: string, strict: boolean) {
    this.path = path;
    this.#strict = strict;
  }

  /** An error for on-disk data that cannot be right. `detail` without its `ext4.`. */
  corrupt(detail: string, message: string, options: DiskErrorOptions = {}): DiskError {
    return this.#error('corrupt', detail, message, { hint: CHECK_HINT, ...options });
  }

  /** An error for what is right but cannot be read here. */
  unsupported(detail: string, message: string, options: DiskErrorOptions = {}): DiskError {
    return this.#error('unsupported', detail, message, { hint: UNSUPPORTED_HINT, ...options });
  }

  /** An error for what goes beyond a bound of this package. */
  limit(detail: string, message: string, options: DiskErrorOptions = {}): DiskError {
    return this.#error('limit', detail, message, { hint: LIMIT_HINT, ...options });
  }

  invalidInode(number: number, inodeCount: number): DiskError {
    return this.#error(
      'invalid-argument',
      'inode-number',
      `There is no inode ${number}; the filesystem has 1 to ${inodeCount}`,
      {},
    );
  }

  freeInode(number: number): DiskError {
    return this.corrupt('inode-free', `Inode ${number} is not in use, but something names it`);
  }

  /** Something a user should know; never an error. */
  warn(detail: string, message: string): void {
    const key = `${detail} ${message}`;
    if (this.warnings.length > MAX_WARNINGS || this.#seen.has(key)) return;
    if (this.warnings.length === MAX_WARNINGS) {
      const last = `More than ${MAX_WARNINGS} warnings; the rest is left out`;
      this.warnings.push({ detail: 'ext4.more-warnings', message: last });
      return;
    }
    this.#seen.add(key);
    this.warnings.push({ detail: `ext4.${detail}`, message });
  }

  /**
   * Damage that reading can get past: a warning, or the error in strict mode.
   * @throws DiskError `corrupt` in strict mode
   */
  damage(detail: string, message: string, options: DiskErrorOptions = {}): void {
    if (this.#strict) throw this.corrupt(detail, message, options);
    this.warn(detail, message);
  }

  #error(
    code: DiskErrorCode,
    detail: string,
    message: string,
    options: DiskErrorOptions,
  ): DiskError {
    return new DiskError(code, `ext4.${detail}`, message, {
      path: this.path,
      format: 'ext4',
      layer: 'filesystem',
      ...options,
    });
  }
}

/** What `action` gives; an error of it says where on the disk the trouble is. */
export function atOffset<T>(offset: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof DiskError) error.addContext({ offset });
    throw error;
  }
}
