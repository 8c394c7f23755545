/** Opening disks as QEMU's command lines describe them: `json:{…}`, `--image-opts`, filters. */
import {
  checkOptions,
  type DiskFile,
  type FormatDriver,
  type Limits,
  type OpenGate,
  type OptionKinds,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { hostGate, type HostGateOptions } from '@diskfile/storage';
import { ALL_FORMATS } from '../formats.ts';
import { checkedLimits } from '../open/limits.ts';
import type { Breakpoints } from './blkdebug/fault-script.ts';
import { BlockOptions, checkGraph, invalid } from './options/block-options.ts';
import { CopyOnReadDisk } from './disks/copy-on-read-disk.ts';
import { withPolicies } from './disks/disk-policies.ts';
import type { ImageFile } from './nodes/format-node.ts';
import { faultyGate } from './blkdebug/faulty-gate.ts';
import { GraphOpening } from './graph-opening.ts';
import { type NodeAccess, takeNodeOptions } from './options/node-options.ts';
import { temporaryDisk } from './disks/temporary-disk.ts';
import { UserObjects } from './user-objects.ts';

export interface OpenGraphOptions {
  /** False to open the uppermost image for writing as well. */
  readonly readOnly?: boolean;
  /** Reads images although another process may be writing them. */
  readonly forceShare?: boolean;
  /** Name or id of an internal snapshot of the uppermost image. */
  readonly snapshot?: string;
  /**
   * Which files an image may name; see `OpenDiskFileOptions.gate`. What the graph itself names is
   * opened in any case: it is the caller's own word, not that of an image.
   */
  readonly gate?: HostGateOptions | OpenGate;
  /** False to open the uppermost image without what it names below it. */
  readonly backing?: boolean;
  /** Whether space that is given up is given back, unless the graph says so itself. Default true. */
  readonly discards?: boolean;
  /** See `OpenDiskFileOptions.asQemu`. */
  readonly asQemu?: boolean;
  /**
   * Opens images for reading alone, below a qcow2 overlay in memory that takes what is written, up
   * to 4 GiB of it, until the disk is closed.
   */
  readonly temporary?: boolean;
  /** Whether the uppermost image keeps what is read from below it; it has to be writable. */
  readonly copyOnRead?: boolean;
  /** The secrets and other objects that the graph may refer to. */
  readonly objects?: UserObjects;
  readonly limits?: Partial<Limits>;
  readonly formats?: readonly FormatDriver[];
}

/**
 * Opens the disk that options describe; {@link parseDiskName} and {@link parseKeyval} make them.
 * @param graph left as it is
 * @throws DiskError `invalid-argument` in QEMU's words for a graph that cannot be, and as
 *   `openDiskFile` does
 */
export function openGraph(graph: BlockOptions, options: OpenGraphOptions = {}): Promise<DiskFile> {
  return runAsync(openStep(graph, options));
}

/** The synchronous form of {@link openGraph}; blocks the thread. */
export function openGraphSync(graph: BlockOptions, options: OpenGraphOptions = {}): DiskFile {
  return runSync(openStep(graph, options));
}

function* openStep(graph: BlockOptions, options: OpenGraphOptions): Step<DiskFile> {
  const opening = makeOpening(graph, options);
  const { temporary = false, copyOnRead = false } = options;
  const opened = temporary
    ? yield* openTemporary(opening, graph.copy(), options)
    : yield* opening.openTop(graph.copy(), accessOf(options));
  const disk = copyOnRead ? new CopyOnReadDisk(opened) : opened;
  for (const begin of opening.onceOpened) begin();
  const breakpoints = opening.breakpoints.at(-1);
  // No request of the disk passes through what lies below an image as its file does.
  if (breakpoints !== undefined && !temporary) BREAKPOINTS.set(disk, breakpoints);
  return disk;
}

/** The images are only read, whatever the graph says: `read-only` and `discard` are for the overlay. */
function* openTemporary(
  opening: GraphOpening,
  graph: BlockOptions,
  options: OpenGraphOptions,
): Step<DiskFile> {
  const access = accessOf({ ...options, readOnly: true });
  const { readOnly = true } = options;
  const asked = new BlockOptions();
  for (const name of ['read-only', 'discard']) {
    const value = graph.take(name);
    if (value !== undefined) asked.set(name, value);
  }
  const overlay = takeNodeOptions(asked, {
    ...access,
    writable: !readOnly,
    forceShare: false,
  });
  const below = yield* opening.openTop(graph, access);
  return withPolicies(yield* temporaryDisk(below, overlay, opening.settings), overlay);
}

const BREAKPOINTS = new WeakMap<DiskFile, Breakpoints>();

/**
 * Where requests of a disk can be stopped: at the uppermost `blkdebug` node of the graph that
 * {@link openGraph} opened it from. Undefined without one.
 */
export function breakpointsOf(disk: DiskFile): Breakpoints | undefined {
  return BREAKPOINTS.get(disk);
}

/**
 * Opens the file of the uppermost image without looking into it: for work on images that are not
 * opened as disks, such as checking. `gate`, `backing` and `snapshot` have no meaning here.
 */
export async function openGraphFile(
  graph: BlockOptions,
  options: OpenGraphOptions = {},
): Promise<ImageFile> {
  return await runAsync(makeOpening(graph, options).openFile(graph.copy(), accessOf(options)));
}

function accessOf({ readOnly = true, forceShare = false, ...rest }: OpenGraphOptions): NodeAccess {
  if (forceShare && !readOnly) {
    throw invalid('force-share=on can only be used with read-only images');
  }
  return { writable: !readOnly, forceShare, discards: rest.discards ?? true };
}

const GRAPH_KINDS: OptionKinds<OpenGraphOptions> = {
  readOnly: 'flag',
  forceShare: 'flag',
  snapshot: 'text',
  gate: 'gate',
  backing: 'flag',
  discards: 'flag',
  asQemu: 'flag',
  temporary: 'flag',
  copyOnRead: 'flag',
  objects: 'object',
  limits: 'object',
  formats: 'drivers',
};

function makeOpening(graph: BlockOptions, options: OpenGraphOptions): GraphOpening {
  checkGraph(graph);
  checkOptions('open', options, GRAPH_KINDS);
  const { gate = {}, backing = true, objects = new UserObjects(), snapshot } = options;
  return new GraphOpening({
    formats: options.formats ?? ALL_FORMATS,
    limits: checkedLimits(options.limits),
    makeGate: (locking) => faultyGate('open' in gate ? gate : hostGate(gate, { locking })),
    objects,
    followBacking: backing,
    snapshot,
    asQemu: options.asQemu ?? false,
  });
}
