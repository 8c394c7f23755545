/** Making an image independent of its chain. */
import { checkOptions, runAsync, runSync, type Step } from '@diskfile/core';
import { CHAIN_KINDS, type ChainOptions, type ChainResult } from './chain-options.ts';
import { type ChainTarget, inSession } from './chain-session.ts';
import { moveOnto } from './rebase-disk-file.ts';

/**
 * Copies into an image all that it reads from the images below it, and then takes it off them. Zeros
 * stay unallocated. At whatever moment this is interrupted, the image reads the same. It does nothing
 * to an image that stands alone already.
 *
 * Internal snapshots are not looked at: what they do not hold themselves reads as zeros afterwards.
 *
 * @param target a path or `file:` URL, a graph that describes the image, or a storage, which is closed in the
 *   end
 * @throws DiskError as `rebaseDiskFile` does
 * @example
 * await flattenDiskFile('clone.qcow2');
 */
export function flattenDiskFile(
  target: ChainTarget,
  options: ChainOptions = {},
): Promise<ChainResult> {
  return runAsync(flatten(target, options));
}

/** The synchronous form of {@link flattenDiskFile}; blocks the thread. */
export function flattenDiskFileSync(target: ChainTarget, options: ChainOptions = {}): ChainResult {
  return runSync(flatten(target, options));
}

function* flatten(target: ChainTarget, options: ChainOptions): Step<ChainResult> {
  checkOptions('flatten', options, CHAIN_KINDS);
  return yield* inSession('flatten', options, function* (session) {
    const image = yield* session.open(target, { writable: true });
    const { layers } = image;
    const standsAlone = layers.length === 1 && layers[0]!.backing === undefined;
    if (!standsAlone) yield* moveOnto(session, image, undefined, { asQemu: false });
    return { warnings: session.warnings };
  });
}
