/** Options that an open image may get anew. */
import { checkArgument } from '@diskfile/core';
import { type BlockOptions, checkGraph, invalid } from './block-options.ts';
import { takeFormatOptions } from './format-options.ts';
import { takeNodeOptions } from './node-options.ts';

/**
 * Judges options for an image that is open already, without its children.
 * @param options left as they are
 * @throws DiskError `invalid-argument` for wrong values, and for what is no such option
 */
export function checkRuntimeOptions(format: string, options: BlockOptions): void {
  checkArgument('open', 'format', format, 'text');
  checkGraph(options);
  const left = options.copy();
  takeNodeOptions(left, { writable: true, forceShare: false, discards: true });
  takeFormatOptions(format, left);
  const { leftOver } = left;
  if (leftOver !== undefined) throw invalid(`Cannot change the option '${leftOver}'`);
}
