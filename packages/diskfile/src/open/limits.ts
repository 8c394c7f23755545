/** The limits that a caller may set. */
import { DiskError } from '@diskfile/bytes';
import { DEFAULT_LIMITS, type Limits } from '@diskfile/core';

/** The defaults with what was given in their place. @throws DiskError `invalid-argument` */
export function checkedLimits(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new DiskError(
        'invalid-argument',
        'open.limits',
        `limits.${name} must be a positive whole number, not ${String(value)}`,
        { op: 'open' },
      );
    }
  }
  return limits;
}
