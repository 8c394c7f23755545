/** Options of a disk that is reopened: new ones, and the old ones beside which they can stand. */
import { BlockOptions } from 'diskfile';

/** New options, and the old ones that do not outlive them. */
const REPLACED: readonly (readonly [given: RegExp, replaced: RegExp])[] = [
  [/^overlap-check(?:\.template)?$/, /^overlap-check(?:\.template)?$/],
  [/^cache-size$/, /^(?:l2|refcount)-cache-size$/],
  [/^(?:l2|refcount)-cache-size$/, /^cache-size$/],
];

export function joinedOptions(old: BlockOptions, given: BlockOptions): BlockOptions {
  const names = [...given.entries()].map(([name]) => name);
  const replaced = REPLACED.filter(([each]) => names.some((name) => each.test(name)));
  const kept = [...old.entries()].filter(([name]) => !replaced.some(([, each]) => each.test(name)));
  const joined = new BlockOptions(new Map(kept));
  joined.add(given);
  return joined;
}
