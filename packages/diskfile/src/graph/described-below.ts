/** Images that options put below another one, whatever that one names. */
import { dirname, resolve } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  closeStorage,
  findDriver,
  type FormatDriver,
  type ImageBelow,
  isWritable,
  parseImageName,
  type Step,
  type Storage,
} from '@diskfile/core';
import { backingUnsupported, canStack, saysNoBacking } from './options/below-options.ts';
import { type BlockOptions, type ChildOptions, invalid } from './options/block-options.ts';
import { parseNameWithOptions, protocolOf } from './disk-name.ts';
import { takeEncryption, takeFormatOptions } from './options/format-options.ts';
import type { NodeOpener, NodeRequest } from './nodes/node-driver.ts';
import { findNodeDriver } from './nodes/node-drivers.ts';
import { type NodeAccess, takeNodeOptions } from './options/node-options.ts';

/** Options that make another disk of the same file. */
const TELLING = /^(?:offset|size|key-secret|encrypt\.|force_size_calc|backing|data-file)/;
/** Drivers whose nodes stay as they were opened: for reading. */
const FIXED: ReadonlySet<string> = new Set(['quorum', 'blkverify']);
/** Drivers that do no more to an image than to pass on what is asked of it. */
const FILTERS: ReadonlySet<string> = new Set([
  'throttle',
  'copy-on-read',
  'compress',
  'preallocate',
]);

/**
 * What is to lie below an image: undefined leaves it to the image, null is nothing. Where the image is
 * opened alone, a description stays and is refused.
 */
export function belowOf(
  { name, options, opener, isTop }: Omit<NodeRequest, 'access'>,
  above: NodeAccess,
): DescribedBelow | null | undefined {
  if (saysNoBacking(options, opener.warnings)) return null;
  if (isTop && !opener.settings.followBacking) return undefined;
  const child = options.takeChild('backing');
  if (child === undefined) return undefined;
  const { reference } = child;
  if (reference !== undefined) {
    if (name !== undefined && !canStack(name)) throw backingUnsupported();
    throw invalid(
      `Could not open backing file: Cannot find device='${reference}' nor node-name='${reference}'`,
    );
  }
  return describedBelow(child.options, opener, { ...above, writable: false });
}

export interface DescribedBelow extends ImageBelow {
  readonly below: DescribedBelow | null | undefined;
  /** Name of its file, where no more is said of it that makes a difference. */
  readonly plainName: string | undefined;
  /** Whether there is a filter over it, which has to keep its size. */
  readonly isFiltered: boolean;
  /** Its own, and those of the images below it. */
  readonly passphrases: readonly (Uint8Array | undefined)[];
}

function describedBelow(
  options: BlockOptions,
  opener: NodeOpener,
  above: NodeAccess,
): DescribedBelow {
  const format = options.peekText('driver');
  if (isFilter(options)) return filteredBelow(options, opener, above);
  const plainName = plainNameOf(options);
  if (format !== undefined && findNodeDriver(format) !== undefined) {
    return {
      format: 'raw',
      below: null,
      passphrases: [],
      plainName,
      isFiltered: false,
      *open(namedBy, reference, writable) {
        const whole = namedOptions(options, namedBy, reference);
        if (writable) refuseWriting(format, whole);
        const access = { ...above, writable };
        return yield* openWanted(opener, { options: whole, reference: undefined }, access);
      },
    };
  }
  options.take('driver');
  if (format !== undefined) inBacking(() => refuseUnknownFormat(format, opener.settings.formats));
  const access = inBacking(() => takeNodeOptions(options, above));
  const file = options.takeChild('file');
  const below = belowOf({ name: format, options, opener, isTop: false }, access);
  const passphrase = passphraseOf(opener, takeEncryption(format, options).id);
  inBacking(() => {
    takeFormatOptions(format ?? 'qcow2', options);
    refuseLeftOver(format, options);
  });
  return {
    format,
    below,
    passphrases: [passphrase, ...(below?.passphrases ?? [])],
    plainName,
    isFiltered: false,
    *open(namedBy, reference, writable) {
      const how = { ...access, writable };
      if (file !== undefined) return yield* openWanted(opener, file, how);
      if (reference === undefined) throw invalid('Must specify either driver or file');
      const gate = opener.settings.makeGate(opener.lockingOf(access.forceShare));
      const named = parseImageName(reference.name, 'backing');
      return yield* gate.open({ file: named, namedBy, writable });
    },
  };
}

/** A filter passes on what is read, and what is written goes around it. */
function filteredBelow(
  options: BlockOptions,
  opener: NodeOpener,
  above: NodeAccess,
): DescribedBelow {
  const image = options.takeBelow('file.');
  const below = describedBelow(image, opener, above);
  // What the filter is told is judged where it lies over nothing, unless it minds that.
  options.set('file.driver', 'null-co');
  const judged = { options, reference: undefined };
  const isCompressing = options.peekText('driver') === 'compress';
  return {
    ...below,
    plainName: undefined,
    isFiltered: true,
    *open(namedBy, reference, writable) {
      if (!isCompressing) yield* closeStorage(yield* openBeside(opener, judged, above));
      return yield* below.open(namedBy, reference, writable);
    },
  };
}

function plainNameOf(options: BlockOptions): string | undefined {
  const isFile = (options.peekText('file.driver') ?? 'file') === 'file';
  const isTold = [...options.entries()].some(([name]) => TELLING.test(name));
  return isFile && !isTold ? options.peekText('file.filename') : undefined;
}

/** The name that the image above has for it counts as well, unless another one is given. */
function namedOptions(
  options: BlockOptions,
  { name }: Storage,
  reference: BackingReference | undefined,
): BlockOptions {
  if (reference === undefined || options.has('file.filename')) return options;
  const isPath = protocolOf(reference.name) === undefined;
  const named = isPath ? resolve(dirname(name), reference.name) : reference.name;
  return parseNameWithOptions(named, options);
}

/** What is to be written is, whatever is said of its node; that of its file counts. */
function refuseWriting(format: string, options: BlockOptions): void {
  options.take('read-only');
  if (!FIXED.has(format)) return;
  throw invalid(
    `Block format '${format}' used by node '#block100' does not support reopening files`,
  );
}

/** Says of what is wrong with a description that it is that of the image below. */
function inBacking<T>(judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw invalid(`Could not open backing file: ${error.message}`);
  }
}

/** Opens a file, for writing where that is wanted and nobody has said otherwise. */
function* openWanted(opener: NodeOpener, child: ChildOptions, access: NodeAccess): Step<Storage> {
  const storage = yield* openBeside(opener, child, access);
  if (!access.writable || isWritable(storage)) return storage;
  yield* closeStorage(storage);
  throw invalid('Block node is read-only');
}

/** Opens what only some requests of the disk come to; no breakpoint is meant for it. */
export function* openBeside(
  opener: NodeOpener,
  child: ChildOptions,
  access: NodeAccess,
): Step<Storage> {
  const { length } = opener.breakpoints;
  const storage = yield* opener.openStorage(child, access);
  opener.breakpoints.length = length;
  return storage;
}

export function refuseLeftOver(format = 'qcow2', { leftOver }: BlockOptions): void {
  if (leftOver === undefined) return;
  throw invalid(`Block format '${format}' does not support the option '${leftOver}'`);
}

/** Undefined also for a secret that there is not: only an encrypted image asks for it. */
export function passphraseOf(opener: NodeOpener, id: string | undefined): Uint8Array | undefined {
  const { objects } = opener.settings;
  return id !== undefined && objects.hasSecret(id) ? objects.secret(id) : undefined;
}

export function refuseUnknownFormat(name: string, formats: readonly FormatDriver[]): void {
  if (findDriver(formats, name) !== undefined) return;
  throw new DiskError('unsupported', 'graph.unknown-driver', `Unknown driver '${name}'`, {
    op: 'open',
    hint: `Known formats: ${formats.map(({ id }) => id).join(', ')}.`,
  });
}

export function isFilter(graph: BlockOptions): boolean {
  return FILTERS.has(graph.peekText('driver') ?? '');
}

/** The image that filters lie over: only an image has others below it. */
export function withoutFilters(graph: BlockOptions): BlockOptions {
  let image = graph.copy();
  while (isFilter(image)) image = image.takeBelow('file.');
  return image;
}
