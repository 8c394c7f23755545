/** Opening virtual disks. */
import { DiskError } from '@diskfile/bytes';
import { decoders } from '@diskfile/codec';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskDescriptor,
  type DiskFile,
  type FormatDriver,
  type Limits,
  openChain,
  type OpenGate,
  runAsync,
  runSync,
  sliceDisk,
  type Step,
  type Storage,
} from '@diskfile/core';
import {
  hostGate,
  type HostGateOptions,
  isSplitSetStart,
  openFileStorage,
  openSplitStorage,
} from '@diskfile/storage';
import { ALL_FORMATS } from '../registry.ts';

export interface OpenDiskFileOptions {
  /** Format of the image. It is then never probed; `raw` stays raw whatever the bytes say. */
  readonly format?: string;
  /** Name or id of an internal snapshot to open in place of the active state. */
  readonly snapshot?: string;
  /**
   * Which files the image may name. By default regular files within the directory of the image
   * that names them. `{ allow: [dir, …] }` adds directories, `{ allow: 'any' }` lifts the bound;
   * a gate of your own decides for itself.
   */
  readonly gate?: HostGateOptions | OpenGate;
  /** False to open the image alone; what its backing file would give reads as zeros. */
  readonly backing?: boolean;
  readonly limits?: Partial<Limits>;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
}

/** How a disk was opened, in a form that survives the way into a worker thread. */
export interface DiskOpening {
  readonly path: string;
  readonly format: string;
  readonly snapshot: string | undefined;
  readonly gate: HostGateOptions;
  readonly backing: boolean;
  readonly limits: Limits;
  /** Which file it was, so that another one of the same name is noticed. */
  readonly identity: string | undefined;
  readonly fileBytes: number;
}

/**
 * Opens a disk image, read-only.
 *
 * @param target a path (the first file of a split set opens all of it), or a storage, which the
 *   disk owns from then on
 * @throws DiskError `not-found`, `denied`, `corrupt`, `unsupported`, `limit` or `io`
 * @example
 * await using disk = await openDiskFile('vm.qcow2');
 * const sector = new Uint8Array(512);
 * await disk.read(sector, 0);
 */
export function openDiskFile(
  target: string | Storage,
  options: OpenDiskFileOptions = {},
): Promise<DiskFile> {
  return runAsync(openDiskStep(target, options));
}

/** The synchronous form of {@link openDiskFile}; blocks the thread. */
export function openDiskFileSync(
  target: string | Storage,
  options: OpenDiskFileOptions = {},
): DiskFile {
  return runSync(openDiskStep(target, options));
}

function* openDiskStep(target: string | Storage, options: OpenDiskFileOptions): Step<DiskFile> {
  const storage = typeof target === 'string' ? yield* openHostFile(target) : target;
  const limits = checkedLimits(options.limits);
  const gate = options.gate ?? {};
  const chain = yield* openChain(storage, {
    drivers: options.formats ?? ALL_FORMATS,
    decoders: decoders(),
    gate: 'open' in gate ? gate : hostGate(gate),
    limits,
    format: options.format,
    snapshot: options.snapshot,
    writable: false,
    followBacking: options.backing ?? true,
  });
  const canReopen =
    typeof target === 'string' && !('open' in gate) && options.formats === undefined;
  const opening: DiskOpening | undefined = canReopen
    ? {
        path: target,
        format: chain.layers[0]!.format,
        snapshot: options.snapshot,
        gate,
        backing: options.backing ?? true,
        limits,
        identity: storage.identity,
        fileBytes: storage.sizeBytes,
      }
    : undefined;
  return createImageDisk(chain, { limits, opening });
}

/**
 * Opens what a descriptor describes, in another thread than the disk that it came from.
 * @throws DiskError as {@link openDiskFile} does, `busy` when the file is no longer the same
 */
export function reopenDiskSync(descriptor: DiskDescriptor): DiskFile {
  const { path, snapshot, identity, fileBytes, ...same } = descriptor.opening as DiskOpening;
  const storage = runSync(openHostFile(path));
  if (storage.identity !== identity || storage.sizeBytes !== fileBytes) {
    storage.closeSync();
    throw new DiskError('busy', 'open.changed', `${path} was changed or replaced while in use`, {
      op: 'open',
      path,
      hint: 'Open it again when whatever changes it has finished.',
    });
  }
  const whole = openDiskFileSync(storage, snapshot === undefined ? same : { ...same, snapshot });
  try {
    return sliceDisk(whole, descriptor);
  } finally {
    whole.closeSync();
  }
}

function* openHostFile(path: string): Step<Storage> {
  return (yield* isSplitSetStart(path))
    ? yield* openSplitStorage(path)
    : yield* openFileStorage(path);
}

function checkedLimits(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new DiskError(
        'invalid-argument',
        'open.limits',
        `limits.${name} must be a positive whole number, not ${String(value)}`,
        { op: 'open' },
      );
    }
  }
  return limits;
}
