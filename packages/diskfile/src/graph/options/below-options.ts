/** What a node says of an image that is to lie below it. */
import type { DiskError } from '@diskfile/bytes';
import type { DiskWarning, FormatImage, ImageBelow } from '@diskfile/core';
import { type BlockOptions, invalid } from './block-options.ts';

/** Formats in which QEMU puts an image below any other. */
const STACKING: ReadonlySet<string> = new Set(['qcow2', 'qcow', 'qed', 'vmdk', 'parallels']);

export function canStack(format: string): boolean {
  return STACKING.has(format);
}

/** Takes the word that nothing is to lie below. */
export function saysNoBacking(options: BlockOptions, warnings: DiskWarning[]): boolean {
  const value = options.copy().take('backing');
  if (value !== null && value !== '') return false;
  options.take('backing');
  if (value === '') warnings.push(EMPTY_BACKING);
  return true;
}

/** @throws DiskError `invalid-argument` where nothing can lie below an image but what it names */
export function refuseBelow(image: FormatImage, below: ImageBelow | null | undefined): void {
  const isGiven = below !== undefined && below !== null;
  if (isGiven && !canStack(image.format) && image.backing === undefined) {
    throw backingUnsupported();
  }
}

export function backingUnsupported(): DiskError {
  return invalid("Driver doesn't support backing files");
}

const EMPTY_BACKING: DiskWarning = {
  detail: 'graph.empty-backing',
  message: 'Use of "backing": "" is deprecated; use "backing": null instead',
};
