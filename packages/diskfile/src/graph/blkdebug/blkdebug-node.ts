/** The `blkdebug` driver: its options, and the node that it makes. */
import { alignUp } from '@diskfile/bytes';
import { closeStorage, type Step, type Storage } from '@diskfile/core';
import { type BlockOptions, invalid } from '../options/block-options.ts';
import { needChild } from '../nodes/need-child.ts';
import type { NodeDriver, NodeRequest, OpenedNode } from '../nodes/node-driver.ts';
import { DebugStorage } from './debug-storage.ts';
import { FaultScript } from './fault-script.ts';
import type { DebugLimits, PieceLimits } from './limited-requests.ts';
import type { Rule } from './rule.ts';
import { takeRules } from './rule-parsing.ts';

const MAX_ALIGN = 2 ** 31;

export const blkdebugDriver: NodeDriver = { kind: 'protocol', open: openBlkdebug };

function* openBlkdebug({ options, access, opener }: NodeRequest): Step<OpenedNode> {
  const rules = takeRules(options);
  const inner = yield* opener.openStorage(needChild(options, 'image'), access);
  const { storage, script } = yield* playFaults(inner, rules, options);
  opener.breakpoints.push(script);
  return { storage };
}

/** @param inner closed where this fails */
export function* playFaults(
  inner: Storage,
  rules: readonly Rule[],
  options: BlockOptions,
): Step<{ readonly storage: DebugStorage; readonly script: FaultScript }> {
  try {
    const script = new FaultScript(rules, inner.name);
    const storage = DebugStorage.over(inner, script, takeLimits(options));
    script.fire('none');
    return { storage, script };
  } catch (error) {
    yield* closeStorage(inner);
    throw error;
  }
}

function takeLimits(options: BlockOptions): DebugLimits {
  const align = options.takeSize('align') ?? 0;
  if (align >= MAX_ALIGN || (align > 0 && !Number.isInteger(Math.log2(align)))) {
    throw invalid(`Cannot meet constraints with align ${align}`);
  }
  const unit = Math.max(align, 1);
  takeLimit(options, 'max-transfer', unit);
  const zeroes = takePieceLimits(options, 'write-zero', unit);
  const discards = takePieceLimits(options, 'discard', unit);
  // The kinds of nodes and permissions that only QEMU has.
  for (const permissions of ['take-child-perms', 'unshare-child-perms']) {
    options.takeBelow(`${permissions}.`);
  }
  return { align: unit, zeroes, discards };
}

function takePieceLimits(options: BlockOptions, name: string, align: number): PieceLimits {
  const unit = Math.max(align, takeLimit(options, `opt-${name}`, align));
  const most = takeLimit(options, `max-${name}`, unit);
  return { unit, most: most === 0 ? Infinity : most };
}

/** A limit that is a multiple of `unit`; 0 for none. */
function takeLimit(options: BlockOptions, name: string, unit: number): number {
  const limit = options.takeSize(name) ?? 0;
  if (limit < MAX_ALIGN && alignUp(limit, unit) === limit) return limit;
  throw invalid(`Cannot meet constraints with ${name} ${limit}`);
}
