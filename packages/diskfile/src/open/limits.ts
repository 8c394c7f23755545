/** The limits that a caller may set. */
import { checkOptions, DEFAULT_LIMITS, type Limits, type OptionKinds } from '@diskfile/core';

const LIMIT_KINDS: OptionKinds<Limits> = {
  maxChainLength: 'limit',
  metadataCacheBytes: 'limit',
  maxStructureBytes: 'limit',
  decodedCacheBytes: 'limit',
  maxKeyIterations: 'limit',
  maxUnpackedBytes: 'limit',
};

/** The defaults with what was given in their place. @throws DiskError `invalid-argument` */
export function checkedLimits(given: Partial<Limits> = {}): Limits {
  checkOptions<Partial<Limits>>('open', given, LIMIT_KINDS, [], 'limits');
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(set) };
}
