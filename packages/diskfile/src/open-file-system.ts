/** Opening the filesystem on a disk or partition. */
import { DiskError } from '@diskfile/bytes';
import {
  checkDisk,
  checkOptions,
  type DiskFile,
  FileSystem,
  type FileSystemDriver,
  hostCall,
  type Limits,
  type OptionKinds,
  readBytes,
  runAsync,
  runSync,
  type Step,
  type Volume,
} from '@diskfile/core';
import { ALL_FILE_SYSTEMS } from './file-systems.ts';
import { checkedLimits } from './open/limits.ts';
import { recogniseSignature, SIGNATURE_BYTES } from './guest/signature.ts';

export interface OpenFileSystemOptions {
  /** Make checksum mismatches errors; by default they are warnings of the volume. */
  readonly strict?: boolean;
  readonly limits?: Partial<Limits>;
  readonly fileSystems?: readonly FileSystemDriver[];
}

/**
 * Opens the filesystem that a disk or partition holds. The filesystem has its own handle on the
 * disk: close both. A journal is replayed in memory; the image is not touched.
 *
 * @throws DiskError `unsupported` when no known filesystem is there
 */
export function openFileSystem(
  disk: DiskFile,
  options: OpenFileSystemOptions = {},
): Promise<FileSystem> {
  return runAsync(openFileSystemStep(disk, options));
}

/** The synchronous form of {@link openFileSystem}. */
export function openFileSystemSync(
  disk: DiskFile,
  options: OpenFileSystemOptions = {},
): FileSystem {
  return runSync(openFileSystemStep(disk, options));
}

/** What each option is to be. */
export const FILE_SYSTEM_KINDS: OptionKinds<OpenFileSystemOptions> = {
  strict: 'flag',
  limits: 'object',
  fileSystems: 'drivers',
};

function* openFileSystemStep(disk: DiskFile, options: OpenFileSystemOptions): Step<FileSystem> {
  checkDisk('mount', disk);
  checkOptions('mount', options, FILE_SYSTEM_KINDS);
  checkedLimits(options.limits);
  const source = disk.tryClone();
  const close = (): Step<void> =>
    hostCall(
      () => source.closeSync(),
      () => source.close(),
    );
  try {
    const volume = yield* mountStep(source, options);
    return new FileSystem(volume, {
      synchronous: source.synchronous,
      limits: checkedLimits(options.limits),
      close,
    });
  } catch (error) {
    yield* close();
    throw error;
  }
}

/** Mounts the volume on a disk. The disk has to stay open as long as the volume is used. */
export function* mountStep(disk: DiskFile, options: OpenFileSystemOptions = {}): Step<Volume> {
  const head = yield* readBytes(disk, 0, Math.min(disk.sizeBytes, SIGNATURE_BYTES));
  const drivers = options.fileSystems ?? ALL_FILE_SYSTEMS;
  const driver = drivers.find((candidate) => candidate.probe(head));
  if (driver === undefined) throw noFileSystem(disk, head);
  const limits = checkedLimits(options.limits);
  try {
    return yield* driver.mount({ source: disk, limits, strict: options.strict ?? false });
  } catch (error) {
    if (error instanceof DiskError) {
      error.addContext({ op: 'mount', path: disk.name, format: driver.id, layer: 'filesystem' });
    }
    throw error;
  }
}

function noFileSystem(disk: DiskFile, head: Uint8Array): DiskError {
  const signature = recogniseSignature(head);
  if (signature === undefined) {
    return new DiskError('unsupported', 'filesystem.none', 'There is no known filesystem', {
      op: 'mount',
      path: disk.name,
      hint: 'If the disk has partitions, open one of them.',
    });
  }
  return new DiskError(
    'unsupported',
    'filesystem.unsupported',
    `There is a ${signature.type} here, which cannot be read yet`,
    { op: 'mount', path: disk.name, hint: 'ext2, ext3 and ext4 can be read.' },
  );
}
