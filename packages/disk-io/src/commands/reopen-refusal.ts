/** What `reopen` cannot change, as QEMU says it before anything is tried. */
import { type BlockOptions, checkRuntimeOptions, type ImageInfo } from 'diskfile';
import type { OpenRequest } from '../shell/open-disk.ts';
import { changeReason } from '../text/failure-words.ts';
import type { Options } from './request-arguments.ts';

/** The name of the node; QEMU makes up one with two random digits at the end. */
export const NODE = '#block100';

const OVERLAY_FORMAT = 'qcow2';
const READ_ONLY = 'read-only';
const CACHE_OPTIONS = ['cache.direct', 'cache.no-flush'];
/** Options that a node keeps for as long as it is open. */
const FIXED = ['node-name', 'force-share', 'data-file', 'discard-no-unref', 'cache.writeback'];
/** The same for the host's file. */
const FIXED_OF_FILES = ['node-name', 'force-share', 'cache.writeback', 'aio', 'locking'];
/** Deepest chain of images that options are looked for in. */
const MAX_DEPTH = 16;

/** What a disk is asked to become. */
interface Asked {
  readonly options: Options;
  readonly changes: BlockOptions;
  /** The chain, the uppermost image first. */
  readonly images: readonly ImageInfo[];
}

export function refusalOf(
  { writable, copyOnRead }: OpenRequest,
  { options, changes, images }: Asked,
): string | undefined {
  if ((options.has('r') || options.has('w')) && changes.has(READ_ONLY)) {
    return `Cannot set both -r/-w and '${READ_ONLY}'`;
  }
  if (options.has('c') && CACHE_OPTIONS.some((name) => changes.has(name))) {
    return 'Cannot set both -c and the cache options';
  }
  if (copyOnRead && options.has('r')) {
    return `Can't set node '${NODE}' to r/o with copy-on-read enabled`;
  }
  if (writable && changes.copy().takeFlag(READ_ONLY) === true) {
    return `Read-only block node '${NODE}' cannot support read-write users`;
  }
  return imageRefusal(changes, images);
}

/**
 * A temporary overlay has lost the name of its file, and QEMU opens it anew for what changes how the
 * file is used.
 * @param changes without those that {@link trueChanges} leaves out
 */
export function refusalOfTemporary(
  now: OpenRequest,
  next: OpenRequest,
  changes: BlockOptions,
): string | undefined {
  const isDirect = changes.copy().takeFlag('cache.direct') ?? next.cache.direct;
  if (now.writable !== next.writable || now.cache.direct !== isDirect) {
    return "Could not open '/var/tmp/vl.XXXXXX': No such file or directory";
  }
  try {
    checkRuntimeOptions(OVERLAY_FORMAT, changes);
    return undefined;
  } catch (error) {
    return changeReason(error);
  }
}

function imageRefusal(
  changes: BlockOptions,
  [image, ...below]: readonly ImageInfo[],
  depth = 0,
): string | undefined {
  if (image === undefined || depth === MAX_DEPTH) return undefined;
  for (const child of ['file', 'backing']) {
    const name = changes.peekText(child);
    if (name !== undefined) return `Cannot find device='' nor node-name='${name}'`;
  }
  const own = changes.copy();
  const file = own.takeBelow('file.');
  const backing = own.takeBelow('backing.');
  const fixed =
    firstFixed(own, FIXED, { driver: image.format }) ??
    firstFixed(file, FIXED_OF_FILES, { driver: 'file', filename: image.path });
  if (fixed !== undefined) return `Cannot change the option '${fixed}'`;
  if (below.length > 0) return imageRefusal(backing, below, depth + 1);
  const { leftOver } = backing;
  return leftOver === undefined ? undefined : `Cannot change the option 'backing.${leftOver}'`;
}

/** The options that are left to change once those are out that name what is there already. */
export function trueChanges(changes: BlockOptions, images: readonly ImageInfo[]): BlockOptions {
  const left = changes.copy();
  let prefix = '';
  for (let depth = 0; depth < Math.min(images.length, MAX_DEPTH); depth++) {
    for (const name of ['driver', 'file.driver', 'file.filename']) left.take(prefix + name);
    prefix += 'backing.';
  }
  return left;
}

/** @param known values that some options have, so that naming them changes nothing */
function firstFixed(
  changes: BlockOptions,
  fixed: readonly string[],
  known: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const named = ['driver', 'filename'].find((name) => {
    const value = changes.peekText(name);
    return value !== undefined && value !== known[name];
  });
  return named ?? fixed.find((name) => changes.has(name));
}
