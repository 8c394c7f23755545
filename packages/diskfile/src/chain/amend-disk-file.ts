/** Changing options of the format of an image. */
import { DiskError } from '@diskfile/bytes';
import {
  checkArgument,
  checkOptions,
  type FormatOptions,
  hostCall,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { CHAIN_KINDS, type ChainOptions, type ChainResult } from './chain-options.ts';
import { type ChainTarget, inSession } from './chain-session.ts';

export type AmendDiskFileOptions = Omit<ChainOptions, 'onProgress' | 'signal'>;

/**
 * Changes options of an image under the names that `qemu-img amend -o` has for them. For qcow2:
 * `compat` (`0.10` or `1.1`; going back makes zero clusters into clusters full of zeros),
 * `lazy_refcounts`, `refcount_bits`, `data_file`, `data_file_raw` (off only) and `size` (larger
 * only). What the disk reads as stays as it is. Each option changes at one instant: whenever this is
 * interrupted, the image has it or has it not.
 *
 * @param target a path or `file:` URL, or a storage, which is closed in the end
 * @throws DiskError `unsupported` for formats without such options, or where the image holds what
 *   the version that is asked for cannot; `invalid-argument` for options that cannot be changed or
 *   do not go together; `busy`, `no-space`, `io`
 * @example
 * await amendDiskFile('vm.qcow2', { compat: '1.1', lazy_refcounts: true });
 */
export function amendDiskFile(
  target: ChainTarget,
  amendments: FormatOptions,
  options: AmendDiskFileOptions = {},
): Promise<ChainResult> {
  return runAsync(amend(target, amendments, options));
}

/** The synchronous form of {@link amendDiskFile}; blocks the thread. */
export function amendDiskFileSync(
  target: ChainTarget,
  amendments: FormatOptions,
  options: AmendDiskFileOptions = {},
): ChainResult {
  return runSync(amend(target, amendments, options));
}

function* amend(
  target: ChainTarget,
  amendments: FormatOptions,
  options: AmendDiskFileOptions,
): Step<ChainResult> {
  checkOptions('amend', options, CHAIN_KINDS);
  checkArgument('amend', 'amendments', amendments, 'formatOptions');
  return yield* inSession('amend', options, function* (session) {
    // Only a disk that grows has to know what lies below it.
    const followBacking = amendments['size'] !== undefined;
    const { disk } = yield* session.open(target, { writable: true, followBacking });
    const { amending } = disk.capabilities;
    if (amending === undefined) {
      throw new DiskError(
        'unsupported',
        'chain.not-amendable',
        `Images of format ${disk.format} have no options that can be changed`,
        { path: disk.name, format: disk.format },
      );
    }
    yield* hostCall(
      () => amending.amendSync(amendments),
      () => amending.amend(amendments),
    );
    return { warnings: session.warnings };
  });
}
