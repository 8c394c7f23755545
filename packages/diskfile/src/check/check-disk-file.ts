/** Checking and repairing disk images. */
import { createHash } from 'node:crypto';
import { DiskError } from '@diskfile/bytes';
import { decoders } from '@diskfile/codec';
import {
  type CheckProgress,
  type CheckReport,
  checkOptions,
  closeStorage,
  describeValue,
  type DiskWarning,
  findDriver,
  type FormatDriver,
  isWritable,
  type Limits,
  type OpenGate,
  type OptionKinds,
  probeStorage,
  quote,
  type RepairMode,
  runAsync,
  runSync,
  type Step,
  type Storage,
} from '@diskfile/core';
import { hostGate, type HostGateOptions, type ImageLocking } from '@diskfile/storage';
import { ALL_FORMATS } from '../formats.ts';
import { openHostFile } from '../open/host-file.ts';
import { imageTarget } from '../open/image-target.ts';
import { checkedLimits } from '../open/limits.ts';
import { refuseAborted } from '../workers/aborted.ts';

export interface CheckDiskFileOptions {
  /** Format of the image; probed when left out. */
  readonly format?: string;
  /**
   * What to repair; by default nothing. `leaks` gives back space that is taken and not used, `all`
   * mends whatever can be mended without guessing at content.
   */
  readonly repair?: RepairMode;
  /**
   * Tells of damage, and repairs it, as QEMU 7.2 does, where that is known: one thing after the other,
   * with its words ({@link CheckReport.genuine}), and giving up where it does.
   */
  readonly asQemu?: boolean;
  /**
   * With `asQemu`: repairs an image that was not closed as QEMU does before it writes to it. Where
   * counts cannot be read, it gives the image up then, and forgets which clusters it has freed.
   */
  readonly forOpening?: boolean;
  /** Checks the image although another process may be writing it; it may then seem damaged. */
  readonly forceShare?: boolean;
  /** As for `openDiskFile()`: which files the image may name. */
  readonly gate?: HostGateOptions | OpenGate;
  readonly limits?: Partial<Limits>;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
  /** Called now and then, with numbers of tables. */
  readonly onProgress?: (progress: CheckProgress) => void;
  /** Calls the work off. A repair then stops between two steps, as after a loss of power. */
  readonly signal?: AbortSignal;
}

const CHECKING_KINDS: OptionKinds<CheckDiskFileOptions> = {
  format: 'text',
  repair: 'any',
  asQemu: 'flag',
  forOpening: 'flag',
  forceShare: 'flag',
  gate: 'gate',
  limits: 'object',
  formats: 'drivers',
  onProgress: 'callback',
  signal: 'signal',
};

export interface DiskFileCheckReport extends CheckReport {
  readonly warnings: readonly DiskWarning[];
}

/**
 * Checks the metadata of a disk image, and repairs it if told so. The image need not be good enough
 * to be opened: its header is all that has to make sense. Guest data is not read.
 *
 * The counts are those of `qemu-img check`. With `checkErrors`, `corruptions` and `leaks` all 0 the
 * image is in order. After a repair they count what is left, and the findings tell which are
 * repaired. A repair loses nothing that it does not report, at whatever moment it is interrupted.
 * Where it has to give up whole tables, the clusters they may have stood for stay, as leaks; another
 * repair gives them back.
 *
 * The image is locked meanwhile as {@link openDiskFile} locks it: a repair keeps everybody else
 * off, a check keeps writers off.
 *
 * @param target a path or `file:` URL, or a storage, which stays open; it must be a
 *   {@link WritableStorage} to be repaired
 * @throws DiskError `unsupported` for formats that are not checked; `corrupt` when the header
 *   says too little to go on; `not-found`, `denied`, `busy`, `limit`, `io`, `no-space`, `aborted`
 * @example
 * const { corruptions, leaks, findings } = await checkDiskFile('vm.qcow2', { repair: 'all' });
 */
export function checkDiskFile(
  target: string | URL | Storage,
  options: CheckDiskFileOptions = {},
): Promise<DiskFileCheckReport> {
  return runAsync(checkTarget(target, options));
}

/** The synchronous form of {@link checkDiskFile}; blocks the thread. */
export function checkDiskFileSync(
  target: string | URL | Storage,
  options: CheckDiskFileOptions = {},
): DiskFileCheckReport {
  return runSync(checkTarget(target, options));
}

function* checkTarget(
  target: string | URL | Storage,
  options: CheckDiskFileOptions,
): Step<DiskFileCheckReport> {
  checkOptions('check', options, CHECKING_KINDS);
  refuseBadOptions(options);
  checkedLimits(options.limits);
  const { repair, forceShare = false } = options;
  const image = imageTarget('check', target);
  const warnings: DiskWarning[] = [];
  const locking: ImageLocking = { forceShare, warn: (warning) => void warnings.push(warning) };
  if (typeof image !== 'string') {
    return yield* checkStorage(image, options, { locking, warnings });
  }
  const storage = yield* openHostFile(image, { writable: repair !== undefined, locking });
  try {
    return yield* checkStorage(storage, options, { locking, warnings });
  } finally {
    yield* closeStorage(storage);
  }
}

function* checkStorage(
  storage: Storage,
  options: CheckDiskFileOptions,
  { locking, warnings }: { locking: ImageLocking; warnings: DiskWarning[] },
): Step<DiskFileCheckReport> {
  const { repair, gate: given = {}, onProgress, signal } = options;
  const path = storage.name;
  if (repair !== undefined && !isWritable(storage)) throw storageIsReadOnly(path);
  const gate = 'open' in given ? given : hostGate(given, { locking });
  let format: string | undefined;
  try {
    const driver = yield* chosenDriver(storage, options);
    format = driver.id;
    if (driver.check === undefined) throw notCheckable(format);
    refuseAborted(signal, path);
    const report = yield* driver.check({
      storage,
      decoders: decoders(),
      makeHash: (algorithm) => createHash(algorithm),
      limits: checkedLimits(options.limits),
      repair,
      asQemu: options.asQemu ?? false,
      forOpening: options.forOpening ?? false,
      warn: (warning) => void warnings.push(warning),
      openNamed: (file) => gate.open({ file, namedBy: storage, writable: false }),
      onProgress(progress) {
        refuseAborted(signal, path);
        onProgress?.(progress);
      },
    });
    return { ...report, warnings };
  } catch (error) {
    if (error instanceof DiskError) {
      error.addContext({ op: 'check', path, ...(format === undefined ? {} : { format }) });
    }
    throw error;
  }
}

function* chosenDriver(
  storage: Storage,
  { format, formats = ALL_FORMATS }: CheckDiskFileOptions,
): Step<FormatDriver> {
  if (format === undefined) return yield* probeStorage(storage, formats);
  const driver = findDriver(formats, format);
  if (driver !== undefined) return driver;
  throw new DiskError(
    'unsupported',
    'check.unknown-format',
    `There is no disk format ${quote(format)}`,
    { hint: `Known formats: ${formats.map(({ id }) => id).join(', ')}.` },
  );
}

function refuseBadOptions({ repair, forceShare }: CheckDiskFileOptions): void {
  if (repair !== undefined && repair !== 'leaks' && repair !== 'all') {
    throw new DiskError(
      'invalid-argument',
      'check.repair',
      `${describeValue(repair)} cannot be repaired; "leaks" and "all" can`,
      { op: 'check' },
    );
  }
  if (repair === undefined || forceShare !== true) return;
  throw new DiskError(
    'invalid-argument',
    'check.force-share',
    'An image can be shared by force only for reading, not while it is repaired',
    { op: 'check', hint: 'Leave out forceShare, or repair.' },
  );
}

function notCheckable(format: string): DiskError {
  return new DiskError(
    'unsupported',
    'check.no-check',
    `Images of format ${format} are not checked`,
    format === 'raw' ? { hint: 'State the format if this is a damaged image of another one.' } : {},
  );
}

function storageIsReadOnly(path: string): DiskError {
  return new DiskError('read-only', 'check.storage-read-only', 'The storage can only be read', {
    op: 'check',
    path,
    hint: 'Check it without repairing it.',
  });
}
