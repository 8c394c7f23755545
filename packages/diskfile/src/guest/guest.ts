/** A guest: the filesystems of a disk put together into the tree that the guest itself sees. */
import { DiskError } from '@diskfile/bytes';
import {
  checkDisk,
  checkFields,
  checkOptions,
  type DiskFile,
  type DiskWarning,
  FileSystem,
  hostCall,
  type OptionKinds,
  quote,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { FILE_SYSTEM_KINDS, type OpenFileSystemOptions } from '../open-file-system.ts';
import { checkedLimits } from '../open/limits.ts';
import { closeDevicesStep, devicesStep, type GuestDevice } from './devices.ts';
import { findDevice, type FstabEntry, namesDevice, parseFstab } from './fstab.ts';

/** Entries of an fstab beyond this many are ignored: no real guest has them. */
const MAX_MOUNTS = 256;
const MAX_FSTAB_BYTES = 1024 * 1024;

/** A mount picked by hand, as `-m /dev/sda1:/mnt` does. */
export interface MountChoice {
  /** `/dev/sda2`, or `UUID=…`, `LABEL=…`, `PARTUUID=…`, `PARTLABEL=…`. */
  readonly device: string;
  /** Where it belongs; default `/`. */
  readonly path?: string;
}

export interface OpenGuestOptions extends OpenFileSystemOptions {
  /** Mounts to make; the root is then not searched for and /etc/fstab is not followed. */
  readonly mounts?: readonly MountChoice[];
}

/** A mount of /etc/fstab that could not be made. Its directory shows what is beneath. */
export interface SkippedMount {
  readonly path: string;
  readonly device: string;
  readonly reason: string;
}

/** An opened guest. Closing it leaves the disk that it was opened from open. */
export class Guest implements AsyncDisposable, Disposable {
  readonly fileSystem: FileSystem;
  /** All devices of the disk, mounted or not. */
  readonly devices: readonly GuestDevice[];
  /** Device of the root filesystem. */
  readonly root: GuestDevice;
  readonly skippedMounts: readonly SkippedMount[];
  readonly warnings: readonly DiskWarning[];

  constructor(parts: {
    fileSystem: FileSystem;
    devices: readonly GuestDevice[];
    root: GuestDevice;
    skippedMounts: readonly SkippedMount[];
    warnings: readonly DiskWarning[];
  }) {
    this.fileSystem = parts.fileSystem;
    this.devices = parts.devices;
    this.root = parts.root;
    this.skippedMounts = parts.skippedMounts;
    this.warnings = parts.warnings;
  }

  async close(): Promise<void> {
    await this.fileSystem.close();
  }

  closeSync(): void {
    this.fileSystem.closeSync();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Finds the guest's root filesystem and mounts what its /etc/fstab names.
 *
 * @throws DiskError `not-found` (`guest.no-root`) when no filesystem looks like a root; the hint
 *   lists the devices to choose from
 */
export async function openGuest(disk: DiskFile, options: OpenGuestOptions = {}): Promise<Guest> {
  return await runAsync(guestStep(disk, options));
}

/** The synchronous form of {@link openGuest}; blocks the thread. */
export function openGuestSync(disk: DiskFile, options: OpenGuestOptions = {}): Guest {
  return runSync(guestStep(disk, options));
}

const MOUNT_KINDS: OptionKinds<MountChoice> = { device: 'text', path: 'text' };

function* guestStep(disk: DiskFile, options: OpenGuestOptions): Step<Guest> {
  checkDisk('guest', disk);
  checkOptions('guest', options, { ...FILE_SYSTEM_KINDS, mounts: 'list' });
  const { mounts = [], ...fileSystemOptions } = options;
  for (const mount of mounts) {
    checkFields('guest', mount, MOUNT_KINDS, ['device'], 'mounts[]');
  }
  const { devices, warnings } = yield* devicesStep(disk, fileSystemOptions);
  try {
    const parts =
      options.mounts === undefined
        ? yield* inspectGuest(disk, devices, options)
        : yield* mountChosen(disk, devices, options.mounts, options);
    return new Guest({ ...parts, devices, warnings: [...warnings, ...parts.warnings] });
  } catch (error) {
    yield* closeDevicesStep(devices);
    throw error;
  }
}

/** What is found out about a guest once its devices are known. */
type GuestParts = Pick<Guest, 'fileSystem' | 'root' | 'skippedMounts' | 'warnings'>;

function* inspectGuest(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  options: OpenGuestOptions,
): Step<GuestParts> {
  const { root, warnings } = yield* findRoot(disk, devices, options);
  const fileSystem = treeOf(disk, devices, root, options);
  const skippedMounts: SkippedMount[] = [];
  for (const entry of yield* fstabMounts(fileSystem)) {
    const skipped = yield* mountEntry(fileSystem, devices, root, entry);
    if (skipped !== undefined) skippedMounts.push(skipped);
  }
  return { fileSystem, root, skippedMounts, warnings };
}

function* mountChosen(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  choices: readonly MountChoice[],
  options: OpenGuestOptions,
): Step<GuestParts> {
  const ordered = choices.toSorted((a, b) => depthOf(a.path) - depthOf(b.path));
  const [first, ...others] = ordered.map(({ device, path = '/' }) => ({
    path,
    device: readable(devices, device, disk),
  }));
  if (first === undefined || depthOf(first.path) !== 0) {
    throw new DiskError('invalid-argument', 'guest.no-root', 'No device was chosen for /', {
      op: 'mount',
      path: disk.name,
      hint: 'Give one without a path, which mounts it on /.',
    });
  }
  const fileSystem = treeOf(disk, devices, first.device, options);
  for (const { device, path } of others) yield* fileSystem.mountStep(path, device.volume!);
  return { fileSystem, root: first.device, skippedMounts: [], warnings: [] };
}

function treeOf(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  root: GuestDevice,
  options: OpenGuestOptions,
): FileSystem {
  return new FileSystem(root.volume!, {
    synchronous: disk.synchronous,
    limits: checkedLimits(options.limits),
    close: () => closeDevicesStep(devices),
  });
}

/** How much a filesystem looks like a root: 3 with os-release, 2 with fstab, 1 with /etc and /bin. */
function* rootScore(fileSystem: FileSystem): Step<number> {
  if (yield* exists(fileSystem, '/etc/os-release')) return 3;
  if (yield* exists(fileSystem, '/usr/lib/os-release')) return 3;
  if (yield* exists(fileSystem, '/etc/fstab')) return 2;
  const etc = yield* exists(fileSystem, '/etc');
  return etc && ((yield* exists(fileSystem, '/bin')) || (yield* exists(fileSystem, '/usr')))
    ? 1
    : 0;
}

function* findRoot(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  options: OpenGuestOptions,
): Step<{ root: GuestDevice; warnings: DiskWarning[] }> {
  const mounted = devices.filter(({ volume }) => volume !== undefined);
  const scored: { device: GuestDevice; score: number }[] = [];
  for (const device of mounted) {
    scored.push({ device, score: yield* scoreOf(disk, device, options) });
  }
  const best = Math.max(0, ...scored.map(({ score }) => score));
  const [root, ...rivals] = scored.filter(({ score }) => score === best).map((s) => s.device);
  // A disk with one filesystem that looks like no root is still most likely what is meant.
  if (root === undefined || (best === 0 && mounted.length > 1)) throw noRoot(disk, devices);
  const warnings =
    rivals.length === 0
      ? []
      : [
          {
            detail: 'guest.several-roots',
            message: `${root.name} is taken for the root; so might be ${rivals.map(({ name }) => name).join(', ')}`,
          },
        ];
  return { root, warnings };
}

function* scoreOf(disk: DiskFile, device: GuestDevice, options: OpenGuestOptions): Step<number> {
  try {
    return yield* rootScore(treeOf(disk, [], device, options));
  } catch (error) {
    if (error instanceof DiskError) return 0;
    throw error;
  }
}

function noRoot(disk: DiskFile, devices: readonly GuestDevice[]): DiskError {
  const listed = devices
    .map(({ name, content, problem }) => {
      const why = problem === undefined ? '' : `: ${problem.message}`;
      return `${name} (${content?.type ?? 'unknown'}${why})`;
    })
    .join(', ');
  return new DiskError(
    'not-found',
    'guest.no-root',
    'No filesystem of the disk looks like the root of a guest',
    {
      op: 'inspect',
      path: disk.name,
      hint: `Choose one (-m DEVICE on the command line, mounts in code). There are: ${listed === '' ? 'none' : listed}.`,
    },
  );
}

function* fstabMounts(fileSystem: FileSystem): Step<FstabEntry[]> {
  let bytes: Uint8Array;
  try {
    bytes = yield* readFstab(fileSystem);
  } catch (error) {
    if (error instanceof DiskError) return [];
    throw error;
  }
  return parseFstab(bytes)
    .filter((entry) => namesDevice(entry) && depthOf(entry.path) > 0)
    .toSorted((a, b) => depthOf(a.path) - depthOf(b.path))
    .slice(0, MAX_MOUNTS);
}

function* mountEntry(
  fileSystem: FileSystem,
  devices: readonly GuestDevice[],
  root: GuestDevice,
  { spec, path }: FstabEntry,
): Step<SkippedMount | undefined> {
  const device = findDevice(devices, spec);
  if (device === undefined) return { path, device: spec, reason: 'it is not on this disk' };
  if (device.volume === undefined) {
    const reason = device.problem?.message ?? 'its content is not recognised';
    return { path, device: device.name, reason };
  }
  if (device === root) return undefined;
  try {
    yield* fileSystem.mountStep(path, device.volume);
    return undefined;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { path, device: device.name, reason: error.message };
  }
}

function readable(devices: readonly GuestDevice[], spec: string, disk: DiskFile): GuestDevice {
  const device = findDevice(devices, spec);
  if (device?.volume !== undefined) return device;
  if (device?.problem !== undefined) throw device.problem;
  throw new DiskError('not-found', 'guest.no-device', `There is no filesystem ${quote(spec)}`, {
    op: 'mount',
    path: disk.name,
    hint: `There are: ${devices.map(({ name }) => name).join(', ') || 'none'}.`,
  });
}

function depthOf(path = '/'): number {
  return path.split('/').filter((name) => name !== '').length;
}

function exists(fileSystem: FileSystem, path: string): Step<boolean> {
  return hostCall(
    () => fileSystem.existsSync(path),
    () => fileSystem.exists(path),
  );
}

function readFstab(fileSystem: FileSystem): Step<Uint8Array> {
  const options = { maxBytes: MAX_FSTAB_BYTES };
  return hostCall(
    () => fileSystem.readFileSync('/etc/fstab', options),
    () => fileSystem.readFile('/etc/fstab', options),
  );
}
