/** Space that the host has for certain. */
import type { Preallocation } from './format/writer-capabilities.ts';
import { inContext } from './step-context.ts';
import type { Step } from './step.ts';
import { allocateSpace, type WritableStorage } from './storage.ts';
import { writeZeros } from './zero-fill.ts';

export interface SpaceToSetAside {
  readonly from: number;
  readonly to: number;
  readonly preallocation: Preallocation;
}

/** Has the host set space aside, or writes zeros there, for `falloc` and `full`; else does nothing. */
export function* setAside(
  storage: WritableStorage,
  { from, to, preallocation }: SpaceToSetAside,
): Step<void> {
  if (preallocation !== 'falloc' && preallocation !== 'full') return;
  const format = 'raw';
  if (preallocation === 'falloc') {
    const reserving = allocateSpace(storage, from, to - from);
    if (yield* inContext({ purpose: 'preallocation', format }, reserving)) return;
  }
  const zeroing = writeZeros(storage, from, to - from);
  yield* inContext({ purpose: 'preallocated-zeros', format }, zeroing);
}
