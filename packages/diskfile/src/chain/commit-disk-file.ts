/** Merging an image into one below it. */
import { DiskError } from '@diskfile/bytes';
import {
  checkOptions,
  closeStorage,
  type DiskFile,
  hostCall,
  type OptionKinds,
  quote,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { BlockOptions } from '../graph/options/block-options.ts';
import { type DescribedBelow, isFilter } from '../graph/described-below.ts';
import { openHostFile } from '../open/host-file.ts';
import { hostPath } from '../open/image-target.ts';
import { CHAIN_KINDS, type ChainOptions, type ChainResult } from './chain-options.ts';
import {
  type ChainSession,
  type ChainTarget,
  inSession,
  type OpenedChain,
} from './chain-session.ts';
import { ContentCopy, type ContentCopyOptions } from './content-copy.ts';
import { flushDisk } from './disk-steps.ts';

export interface CommitDiskFileOptions extends ChainOptions {
  /**
   * The image to merge into: its path, or its name as the image above it has it. By default the
   * one right below. Whatever images in between hold is merged as well, and they are no longer of
   * use. With a base that is chosen, the top keeps its content.
   */
  readonly base?: string;
  /** Whether the image keeps what it holds. By default it is empty afterwards, if it can be. */
  readonly keepContent?: boolean;
  /** Most bytes of data that are written to the base in a second. */
  readonly bytesPerSecond?: number;
}

export interface CommitResult extends ChainResult {
  /** The image that was written to: its path, or name of its storage, and the id of its format. */
  readonly base: { readonly path: string; readonly format: string };
}

/**
 * Writes what an image holds into the image below it, as `qemu-img commit` does; that one grows
 * where it is shorter. The image then is emptied. It reads the same at every moment, whatever
 * happens: the base is complete and durable before anything is given up. Every other image that
 * lies over the base is spoiled, as it is by any write to the base.
 *
 * The base is locked as a writer locks it, and the gate has to let it be written: by default only
 * when it lies in the directory of the image above it.
 *
 * @param target a path or `file:` URL, a graph that describes the image, or a storage, which is closed in the
 *   end
 * @throws DiskError `invalid-argument` when there is nothing below, or no such base; `unsupported`
 *   when the base cannot be written or cannot grow; `denied`, `busy`, `no-space`, `io`, `aborted`
 * @example
 * await commitDiskFile('overlay.qcow2');
 */
export function commitDiskFile(
  target: ChainTarget,
  options: CommitDiskFileOptions = {},
): Promise<CommitResult> {
  return runAsync(commit(target, options));
}

/** The synchronous form of {@link commitDiskFile}; blocks the thread. */
export function commitDiskFileSync(
  target: ChainTarget,
  options: CommitDiskFileOptions = {},
): CommitResult {
  return runSync(commit(target, options));
}

const COMMITTING_KINDS: OptionKinds<CommitDiskFileOptions> = {
  ...CHAIN_KINDS,
  base: 'text',
  keepContent: 'flag',
  bytesPerSecond: 'number',
};

function* commit(target: ChainTarget, options: CommitDiskFileOptions): Step<CommitResult> {
  checkOptions('commit', options, COMMITTING_KINDS);
  const { base, keepContent = false } = options;
  refuseRate(options.bytesPerSecond);
  const depth = base === undefined ? 1 : yield* findDepth(target, base, options);
  // With images in between, emptying the top would show what they hold; a filter empties nothing.
  const isFiltered = target instanceof BlockOptions && isFilter(target);
  const keeps = keepContent || base !== undefined || isFiltered;
  return yield* inSession('commit', options, function* (session) {
    const image = yield* session.open(target, { writable: !keeps, writableDepth: depth });
    if (image.layers.length <= depth) throw standsAlone(image.disk);
    // From here on it is closed as a disk that was written, whatever happens.
    const lower = session.lowerPart(image, depth);
    if (base !== undefined) yield* refuseOtherBase(image, depth, base);
    if (lower.sizeBytes < image.disk.sizeBytes) refuseFilter(image, depth);
    yield* commitInto(session, image.disk, lower, copyOptions(options, depth));
    if (!keeps) yield* dropContent(image.disk);
    const { name: path, format } = lower;
    return { warnings: session.warnings, base: { path, format } };
  });
}

function refuseRate(bytesPerSecond: number | undefined): void {
  if (bytesPerSecond === undefined || bytesPerSecond > 0) return;
  const message = `Nothing can be written at ${bytesPerSecond} bytes a second`;
  throw new DiskError('invalid-argument', 'chain.rate', message, { op: 'commit' });
}

function copyOptions(
  { asQemu = false, bytesPerSecond, signal }: CommitDiskFileOptions,
  baseDepth: number,
): ContentCopyOptions {
  return { baseDepth, asQemu, bytesPerSecond, signal };
}

/** What lies over a base that is to grow would not know of it. */
function refuseFilter({ below, disk }: OpenedChain, depth: number): void {
  let described = below;
  for (let each = 1; each < depth; each++) described = described?.below;
  if (described?.isFiltered !== true) return;
  throw new DiskError(
    'invalid-argument',
    'chain.base-filtered',
    'The base is shorter than the image, and a filter over it keeps it from growing',
    { path: disk.name },
  );
}

/** Returns when the base holds everything, durably. */
function* commitInto(
  session: ChainSession,
  disk: DiskFile,
  base: DiskFile,
  options: ContentCopyOptions,
): Step<void> {
  session.reached(0, disk.sizeBytes);
  if (base.sizeBytes < disk.sizeBytes) yield* grow(base, disk.sizeBytes);
  yield* new ContentCopy(session, disk, base, options).run();
  yield* flushDisk(base);
}

function* grow(base: DiskFile, sizeBytes: number): Step<void> {
  const { resizing } = base.capabilities;
  if (resizing === undefined) throw tooShort(base);
  yield* hostCall(
    () => resizing.resizeSync(sizeBytes),
    () => resizing.resize(sizeBytes),
  );
  // Nothing has been written yet, and nothing given up.
  if (base.sizeBytes < sizeBytes) throw tooShort(base);
}

function tooShort({ name, format, sizeBytes }: DiskFile): DiskError {
  return new DiskError(
    'unsupported',
    'chain.base-too-short',
    `The base of ${sizeBytes} bytes is shorter than the image, and cannot grow`,
    { path: name, format },
  );
}

/** A format that cannot be emptied keeps what it holds: it only repeats the base now. */
function* dropContent({ name, format, capabilities: { backing } }: DiskFile): Step<void> {
  if (backing === undefined) return;
  try {
    yield* hostCall(
      () => backing.dropContentSync(),
      () => backing.dropContent(),
    );
  } catch (cause) {
    if (!(cause instanceof DiskError)) throw cause;
    throw new DiskError(
      cause.code,
      'chain.not-emptied',
      `The base holds everything, but the image could not be emptied: ${cause.message}`,
      { path: name, format, cause },
    );
  }
}

/** How far below the image the base lies; looked up before anything is opened for writing. */
function findDepth(
  target: ChainTarget,
  base: string,
  { onProgress: _, ...options }: CommitDiskFileOptions,
): Step<number> {
  if (typeof target === 'object' && 'closeSync' in target) {
    throw new DiskError(
      'invalid-argument',
      'chain.base-of-storage',
      'A base can be chosen only for an image that is given by its path',
      { op: 'commit', path: target.name },
    );
  }
  return inSession('commit', options, function* (session) {
    const image = yield* session.open(target, { writable: false });
    const depth = yield* depthOf(image, base);
    if (depth !== undefined) return depth;
    throw new DiskError(
      'invalid-argument',
      'chain.base-not-found',
      `There is no ${quote(base)} below the image`,
      { path: image.disk.name, hint: `Below it are: ${belowNames(image)}.` },
    );
  });
}

/**
 * Depth of the image that is called `base` by the one above it, or that is the file of that path. What
 * the caller has put below an image counts in place of what that one names.
 */
function* depthOf({ layers, below }: OpenedChain, base: string): Step<number | undefined> {
  const described = describedNames(below);
  const named = layers.findIndex(({ backing }, depth) =>
    depth < described.length ? described[depth] === base : backing?.name === base,
  );
  if (named !== -1) return named + 1;
  const path = hostPath(
    'commit',
    base.startsWith('file:') && URL.canParse(base) ? new URL(base) : base,
  );
  let identity: string | undefined;
  try {
    const storage = yield* openHostFile(path, { writable: false });
    ({ identity } = storage);
    yield* closeStorage(storage);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'not-found') return undefined;
    throw error;
  }
  const found = layers.findIndex(
    ({ storages }, depth) => depth > described.length && storages[0]!.identity === identity,
  );
  return found === -1 ? undefined : found;
}

/** What images are called that the caller describes, the uppermost first. */
function describedNames(below: DescribedBelow | null | undefined): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (let each = below; each !== undefined && each !== null; each = each.below) {
    names.push(each.plainName);
  }
  return names;
}

/** The chain may have been changed since the base was looked up. */
function* refuseOtherBase(image: OpenedChain, depth: number, base: string): Step<void> {
  if ((yield* depthOf(image, base)) === depth) return;
  throw new DiskError('busy', 'chain.changed', 'The chain was changed while it was being opened', {
    path: image.disk.name,
    hint: 'Try again.',
  });
}

function belowNames({ layers }: OpenedChain): string {
  const names = layers.slice(1).map(({ storages }) => quote(storages[0]!.name));
  return names.length === 0 ? 'no images at all' : names.join(', ');
}

function standsAlone({ name, format }: DiskFile): DiskError {
  return new DiskError('invalid-argument', 'chain.stands-alone', 'There is no image below it', {
    path: name,
    format,
  });
}
