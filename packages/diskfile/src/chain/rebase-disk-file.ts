/** Putting an image onto another backing image, or onto none. */
import { DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  checkOptions,
  hostCall,
  type OptionKinds,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { CHAIN_KINDS, type ChainOptions, type ChainResult } from './chain-options.ts';
import {
  type ChainSession,
  type ChainTarget,
  inSession,
  type OpenedChain,
} from './chain-session.ts';
import { DifferenceCopy, type DifferenceCopyOptions } from './difference-copy.ts';
import { flushDisk } from './disk-steps.ts';
import { storedFormat } from './stored-format.ts';

export interface RebaseDiskFileOptions extends ChainOptions {
  /**
   * Name of the new backing image, stored as it stands; relative ones count from the image. The
   * image stands alone afterwards when this is left out.
   */
  readonly backing?: string | undefined;
  /** Format of the new backing image; found out and stored when left out. */
  readonly backingFormat?: string | undefined;
  /**
   * Changes the name only, and compares nothing: for a backing image that was moved or renamed.
   * What the image does not hold itself it reads from then on from whatever the name leads to.
   */
  readonly unsafe?: boolean;
  /**
   * As for `openDiskFile()`. Also copies sector by sector what QEMU 7.2 copies: zeros as data, as far as the old backing image
   * reaches, and before it refuses a backing image of a qcow2 image whose format is not stated. The
   * disk reads the same either way.
   */
  readonly asQemu?: boolean;
}

/**
 * Puts an image onto another backing image, as `qemu-img rebase` does. Afterwards it reads the same
 * as before: what the new chain would give differently is copied into the image first, zeros as zero
 * clusters where the format has them. At whatever moment this is interrupted, the image is on the
 * old backing image or on the new one, and reads the same.
 *
 * Internal snapshots are not looked at: what they do not hold they read from the new chain.
 *
 * @param target a path or `file:` URL, a graph that describes the image, or a storage, which is closed in the
 *   end
 * @throws DiskError `unsupported` for formats other than qcow2, QED and qcow; `invalid-argument` for a
 *   name that does not fit or an image below itself; `busy`, `no-space`, `io`, `aborted`, and what
 *   opening the image, its old chain or (unless unsafe) its new chain throws
 * @example
 * await rebaseDiskFile('vm.qcow2', { backing: 'debian-13.qcow2' });
 */
export function rebaseDiskFile(
  target: ChainTarget,
  options: RebaseDiskFileOptions,
): Promise<ChainResult> {
  return runAsync(rebase(target, options));
}

/** The synchronous form of {@link rebaseDiskFile}; blocks the thread. */
export function rebaseDiskFileSync(
  target: ChainTarget,
  options: RebaseDiskFileOptions,
): ChainResult {
  return runSync(rebase(target, options));
}

const REBASING_KINDS: OptionKinds<RebaseDiskFileOptions> = {
  ...CHAIN_KINDS,
  backing: 'text',
  backingFormat: 'text',
  unsafe: 'flag',
};

function* rebase(target: ChainTarget, options: RebaseDiskFileOptions): Step<ChainResult> {
  checkOptions('rebase', options, REBASING_KINDS);
  const { backing: name, backingFormat: format, unsafe = false, asQemu = false } = options;
  const backing = name === undefined ? undefined : { name, format };
  return yield* inSession('rebase', options, function* (session) {
    const image = yield* session.open(target, { writable: true, followBacking: !unsafe });
    yield* unsafe ? rename(session, image, backing) : moveOnto(session, image, backing, { asQemu });
    return { warnings: session.warnings };
  });
}

/** Copies what differs, and then turns to the new chain. */
export function* moveOnto(
  session: ChainSession,
  image: OpenedChain,
  backing: BackingReference | undefined,
  how: DifferenceCopyOptions,
): Step<void> {
  refuseOtherFormats(image);
  const below = backing && (yield* session.openBelow(image, backing));
  yield* new DifferenceCopy(session, image, below, how).run();
  yield* flushDisk(image.disk);
  if (how.asQemu) needFormat(image, backing);
  yield* setReference(image, backing && { ...backing, format: formatOf(backing, below) });
}

/** Looks into the new backing image only for the format that the caller left out. */
function* rename(
  session: ChainSession,
  image: OpenedChain,
  backing: BackingReference | undefined,
): Step<void> {
  refuseOtherFormats(image);
  const isKnown = backing === undefined || backing.format !== undefined;
  const below = isKnown ? undefined : yield* session.openBelow(image, backing);
  yield* setReference(image, backing && { ...backing, format: formatOf(backing, below) });
}

function formatOf(
  { format }: BackingReference,
  below: OpenedChain | undefined,
): string | undefined {
  return format ?? (below && storedFormat(below.layers[0]!.format));
}

function* setReference(image: OpenedChain, reference: BackingReference | undefined): Step<void> {
  const backing = image.disk.capabilities.backing!;
  yield* hostCall(
    () => backing.setReferenceSync(reference),
    () => backing.setReference(reference),
  );
}

function needFormat({ disk }: OpenedChain, backing: BackingReference | undefined): void {
  if (backing === undefined || backing.format !== undefined) return;
  throw new DiskError(
    'invalid-argument',
    'chain.format-needed',
    'The format of the new backing image has to be stated',
    { path: disk.name, format: disk.format },
  );
}

function refuseOtherFormats({ disk }: OpenedChain): void {
  if (disk.capabilities.backing !== undefined) return;
  throw new DiskError(
    'unsupported',
    'chain.not-rebasable',
    `Images of format ${disk.format} cannot be put onto another image, or off one`,
    { path: disk.name, format: disk.format, hint: 'Convert it to qcow2 first.' },
  );
}
