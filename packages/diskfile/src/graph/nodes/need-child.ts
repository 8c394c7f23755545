/** Children that drivers of nodes cannot do without. */
import { type BlockOptions, type ChildOptions, invalid } from '../options/block-options.ts';

/** The child that a driver cannot do without. */
export function needChild(options: BlockOptions, name: string): ChildOptions {
  const child = options.takeChild(name);
  if (child !== undefined && child.reference !== null) return child;
  throw invalid(`A block device must be specified for "${name}"`);
}
