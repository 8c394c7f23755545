/** `overlap-check` and what belongs to it: which metadata of a qcow2 image writes are kept off. */
import { type BlockOptions, invalid } from './block-options.ts';

/** Each template with the structures that it has besides those of the one before. */
const TEMPLATES: readonly (readonly [string, readonly string[]])[] = [
  ['none', []],
  [
    'constant',
    ['main-header', 'active-l1', 'refcount-table', 'snapshot-table', 'bitmap-directory'],
  ],
  ['cached', ['active-l2', 'refcount-block', 'inactive-l1']],
  ['all', ['inactive-l2']],
];
const NAMES = TEMPLATES.map(([name]) => name);
const DEFAULT_TEMPLATE = 'cached';

/** @returns names of structures; undefined where nothing is said */
export function takeOverlapChecks(options: BlockOptions): ReadonlySet<string> | undefined {
  const short = options.takeText('overlap-check');
  const template = options.takeText('overlap-check.template');
  if (short !== undefined && template !== undefined && short !== template) {
    throw invalid(
      `Conflicting values for qcow2 options 'overlap-check' ('${short}') and ` +
        `'overlap-check.template' ('${template}')`,
    );
  }
  const chosen = short ?? template;
  const last = NAMES.indexOf(chosen ?? DEFAULT_TEMPLATE);
  if (last === -1) {
    throw invalid(
      `Unsupported value '${chosen}' for qcow2 option 'overlap-check'. ` +
        `Allowed are any of the following: ${NAMES.join(', ')}`,
    );
  }
  const checks = new Set(TEMPLATES.slice(0, last + 1).flatMap(([, structures]) => structures));
  let isSaid = chosen !== undefined;
  for (const structure of TEMPLATES.flatMap(([, structures]) => structures)) {
    const flag = options.takeFlag(`overlap-check.${structure}`);
    if (flag === undefined) continue;
    isSaid = true;
    if (flag) checks.add(structure);
    else checks.delete(structure);
  }
  return isSaid ? checks : undefined;
}
