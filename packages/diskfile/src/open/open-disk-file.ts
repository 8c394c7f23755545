/** Opening virtual disks. */
import { DiskError } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import {
  checkOptions,
  closeStorage,
  createImageDisk,
  type DiskDescriptor,
  type DiskFile,
  type DiskWarning,
  type FormatDriver,
  isWritable,
  type Limits,
  openChain,
  type OpenGate,
  type OptionKinds,
  runAsync,
  runSync,
  sliceDisk,
  type Step,
  type Storage,
} from '@diskfile/core';
import { hostGate, type HostGateOptions, type ImageLocking } from '@diskfile/storage';
import { ALL_FORMATS } from '../formats.ts';
import { openHostFile } from './host-file.ts';
import { imageTarget } from './image-target.ts';
import { checkedLimits } from './limits.ts';
import { passphraseBytes, type Passphrases, type Secrets } from './passphrases.ts';

export interface OpenDiskFileOptions {
  /** Format of the image. It is then never probed; `raw` stays raw whatever the bytes say. */
  readonly format?: string;
  /** False to open the image for writing as well. Images below it are only ever read. */
  readonly readOnly?: boolean;
  /**
   * Reads the image although another process may be writing it, which is otherwise refused. What
   * is read may then be a mixture of old and new. A warning tells when that is the case.
   */
  readonly forceShare?: boolean;
  /** Name or id of an internal snapshot to open in place of the active state. */
  readonly snapshot?: string;
  /**
   * Which disk to open of a file that holds several, such as an OVA: its id, the name of its file, or
   * its number from 0 on. The first one by default; `disk.info()[0].details.disks` lists them.
   */
  readonly disk?: string;
  /**
   * What the image is encrypted with; of several, the second is that of the image below, and so on.
   * Without it an encrypted image can be opened for reading and asked for its `info()`, no more.
   */
  readonly passphrase?: Passphrases;
  /** For images below that have no passphrase of those and are named together with a secret. */
  readonly secrets?: Secrets;
  /**
   * Which files the image may name. By default regular files within the directory of the image
   * that names them. `{ allow: [dir, …] }` adds directories, `{ allow: 'any' }` lifts the bound;
   * a gate of your own decides for itself, and locks the files that it opens or does not.
   */
  readonly gate?: HostGateOptions | OpenGate;
  /** False to open the image alone; what its backing file would give reads as zeros. */
  readonly backing?: boolean;
  /**
   * Whether to work on an image as QEMU does also where that leaves more behind or refuses more, for
   * scripts that look at it. In a qcow2 image, a snapshot that refcounts cannot count leaves a leaked
   * copy of the L1 table, compressed data is refused (`io`) where there is some already, and free
   * clusters at the end of the file stay until the disk is made smaller or emptied.
   */
  readonly asQemu?: boolean;
  readonly limits?: Partial<Limits>;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
}

/** What each option is to be. */
export const OPENING_KINDS: OptionKinds<OpenDiskFileOptions> = {
  format: 'text',
  readOnly: 'flag',
  forceShare: 'flag',
  snapshot: 'text',
  disk: 'text',
  passphrase: 'passphrases',
  secrets: 'secrets',
  gate: 'gate',
  backing: 'flag',
  asQemu: 'flag',
  limits: 'object',
  formats: 'drivers',
};

/** How a disk was opened, in a form that survives the way into a worker thread. */
export interface DiskOpening {
  readonly path: string;
  readonly format: string;
  readonly snapshot: string | undefined;
  readonly disk: string | undefined;
  readonly passphrase: Passphrases | undefined;
  readonly secrets: Secrets | undefined;
  readonly gate: HostGateOptions;
  readonly backing: boolean;
  readonly limits: Limits;
  /** Which file it was, so that another one of the same name is noticed. */
  readonly identity: string | undefined;
  readonly fileBytes: number;
}

/**
 * Opens a disk image, read-only unless told otherwise. For as long as it is open, its files are
 * locked as QEMU locks them: a writer keeps everybody else off, a reader keeps writers off. Where
 * the host has no such locks, the disk's warnings tell of other processes that hold some.
 *
 * @param target a path or `file:` URL (the first file of a split set opens all of it), or a
 *   storage, which the disk owns from then on
 * @throws DiskError `not-found`, `denied`, `busy`, `corrupt`, `unsupported`, `limit` or `io`
 * @example
 * await using disk = await openDiskFile('vm.qcow2');
 * const sector = new Uint8Array(512);
 * await disk.read(sector, 0);
 */
export function openDiskFile(
  target: string | URL | Storage,
  options: OpenDiskFileOptions = {},
): Promise<DiskFile> {
  return runAsync(openLocked(target, options));
}

/** The synchronous form of {@link openDiskFile}; blocks the thread. */
export function openDiskFileSync(
  target: string | URL | Storage,
  options: OpenDiskFileOptions = {},
): DiskFile {
  return runSync(openLocked(target, options));
}

function* openLocked(given: string | URL | Storage, options: OpenDiskFileOptions): Step<DiskFile> {
  const target = imageTarget('open', given);
  try {
    checkOptions('open', options, OPENING_KINDS);
    refuseBadOptions(options);
  } catch (error) {
    if (typeof target !== 'string') yield* closeStorage(target);
    throw error;
  }
  const { forceShare = false } = options;
  const warnings: DiskWarning[] = [];
  const locking: ImageLocking = { forceShare, warn: (warning) => void warnings.push(warning) };
  return yield* openDiskStep(target, options, { locking, warnings });
}

function refuseBadOptions({ readOnly = true, forceShare, limits }: OpenDiskFileOptions): void {
  if (forceShare === true && !readOnly) throw writersDoNotShare();
  checkedLimits(limits);
}

/** How files are locked, and the warnings that this gives. */
interface Locks {
  readonly locking?: ImageLocking;
  readonly warnings: readonly DiskWarning[];
}

function* openDiskStep(
  target: string | Storage,
  options: OpenDiskFileOptions,
  { warnings, ...access }: Locks,
): Step<DiskFile> {
  const { readOnly = true, gate = {}, backing: followBacking = true } = options;
  const writable = !readOnly;
  const limits = checkedLimits(options.limits);
  const storage =
    typeof target === 'string' ? yield* openHostFile(target, { writable, ...access }) : target;
  if (writable && !isWritable(storage)) {
    yield* closeStorage(storage);
    throw storageIsReadOnly(storage);
  }
  const chain = yield* openChain(storage, {
    drivers: options.formats ?? ALL_FORMATS,
    decoders: decoders(),
    gate: 'open' in gate ? gate : hostGate(gate, access),
    limits,
    format: options.format,
    snapshot: options.snapshot,
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    passphrases: passphraseBytes(options.passphrase),
    secrets: options.secrets,
    tuning: { asQemu: options.asQemu ?? false, leavesNoise: options.asQemu ?? false },
    writable,
    followBacking,
  });
  // Two writers of one image would not know of each other's tables, so only readers can be many.
  const canReopen =
    typeof target === 'string' && readOnly && !('open' in gate) && options.formats === undefined;
  const opening: DiskOpening | undefined = canReopen
    ? {
        path: target,
        format: chain.layers[0]!.format,
        snapshot: options.snapshot,
        disk: options.disk,
        passphrase: options.passphrase,
        secrets: options.secrets,
        gate,
        backing: followBacking,
        limits,
        identity: storage.identity,
        fileBytes: storage.sizeBytes,
      }
    : undefined;
  const all = { ...chain, warnings: [...warnings, ...chain.warnings] };
  return createImageDisk(all, { limits, encoders: encoders(), opening });
}

function writersDoNotShare(): DiskError {
  return new DiskError(
    'invalid-argument',
    'open.force-share',
    'An image can be shared by force only for reading',
    { op: 'open', hint: 'Leave out forceShare, or readOnly: false.' },
  );
}

function storageIsReadOnly({ name }: Storage): DiskError {
  return new DiskError('unsupported', 'open.storage-read-only', 'The storage can only be read', {
    op: 'open',
    path: name,
    hint: 'Open the disk read-only.',
  });
}

/**
 * Opens what a descriptor describes, in another thread than the disk that it came from. Takes no
 * locks, as that disk has them; nor is the native package loaded for them, which a thread that is
 * ended in the middle of that would take the whole process down with.
 * @throws DiskError as {@link openDiskFile} does, `busy` when the file is no longer the same
 */
export function reopenDiskSync(descriptor: DiskDescriptor): DiskFile {
  const opening = descriptor.opening as DiskOpening;
  const { path, snapshot, disk, passphrase, secrets, identity, fileBytes, ...same } = opening;
  const storage = runSync(openHostFile(path, { writable: false }));
  if (storage.identity !== identity || storage.sizeBytes !== fileBytes) {
    storage.closeSync();
    throw new DiskError('busy', 'open.changed', `${path} was changed or replaced while in use`, {
      op: 'open',
      path,
      hint: 'Open it again when whatever changes it has finished.',
    });
  }
  const options = {
    ...same,
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(disk === undefined ? {} : { disk }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(secrets === undefined ? {} : { secrets }),
  };
  const whole = runSync(openDiskStep(storage, options, { warnings: [] }));
  try {
    return sliceDisk(whole, descriptor);
  } finally {
    whole.closeSync();
  }
}
