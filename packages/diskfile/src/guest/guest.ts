/** A guest: the filesystems of a disk put together into the tree that the guest itself sees. */
import { DiskError } from '@diskfile/bytes';
import { DEFAULT_LIMITS, type DiskFile, type DiskWarning, FileSystem, quote } from '@diskfile/core';
import type { OpenFileSystemOptions } from '../open-file-system.ts';
import { closeDevices, type GuestDevice, openDevices } from './devices.ts';
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
export class Guest implements AsyncDisposable {
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
  const devices = await openDevices(disk, options);
  try {
    return options.mounts === undefined
      ? await inspectGuest(disk, devices, options)
      : await mountChosen(disk, devices, options.mounts, options);
  } catch (error) {
    await closeDevices(devices);
    throw error;
  }
}

async function inspectGuest(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  options: OpenGuestOptions,
): Promise<Guest> {
  const { root, warnings } = await findRoot(disk, devices, options);
  const fileSystem = treeOf(disk, devices, root, options);
  const skippedMounts: SkippedMount[] = [];
  for (const entry of await fstabMounts(fileSystem)) {
    const skipped = await mountEntry(fileSystem, devices, root, entry);
    if (skipped !== undefined) skippedMounts.push(skipped);
  }
  return new Guest({ fileSystem, devices, root, skippedMounts, warnings });
}

async function mountChosen(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  choices: readonly MountChoice[],
  options: OpenGuestOptions,
): Promise<Guest> {
  const ordered = choices.toSorted((a, b) => depthOf(a.path) - depthOf(b.path));
  const [first, ...others] = ordered.map(({ device, path = '/' }) => ({
    path,
    device: readable(devices, device, disk),
  }));
  if (first === undefined || depthOf(first.path) !== 0) {
    throw new DiskError('invalid-argument', 'guest.no-root', 'No device was chosen for /', {
      op: 'mount',
      path: disk.name,
      hint: 'Give one with -m DEVICE, which mounts it on /.',
    });
  }
  const fileSystem = treeOf(disk, devices, first.device, options);
  for (const { device, path } of others) await fileSystem.mount(path, device.volume!);
  return new Guest({
    fileSystem,
    devices,
    root: first.device,
    skippedMounts: [],
    warnings: [],
  });
}

function treeOf(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  root: GuestDevice,
  options: OpenGuestOptions,
): FileSystem {
  return new FileSystem(root.volume!, {
    synchronous: disk.synchronous,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    close: () => closeDevices(devices),
  });
}

/** How much a filesystem looks like a root: 3 with os-release, 2 with fstab, 1 with /etc and /bin. */
async function rootScore(fileSystem: FileSystem): Promise<number> {
  if (await fileSystem.exists('/etc/os-release')) return 3;
  if (await fileSystem.exists('/usr/lib/os-release')) return 3;
  if (await fileSystem.exists('/etc/fstab')) return 2;
  const etc = await fileSystem.exists('/etc');
  return etc && ((await fileSystem.exists('/bin')) || (await fileSystem.exists('/usr'))) ? 1 : 0;
}

async function findRoot(
  disk: DiskFile,
  devices: readonly GuestDevice[],
  options: OpenGuestOptions,
): Promise<{ root: GuestDevice; warnings: DiskWarning[] }> {
  const mounted = devices.filter(({ volume }) => volume !== undefined);
  const scored: { device: GuestDevice; score: number }[] = [];
  for (const device of mounted) {
    scored.push({ device, score: await scoreOf(disk, device, options) });
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

async function scoreOf(
  disk: DiskFile,
  device: GuestDevice,
  options: OpenGuestOptions,
): Promise<number> {
  try {
    return await rootScore(treeOf(disk, [], device, options));
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
      hint: `Choose one with -m DEVICE. There are: ${listed === '' ? 'none' : listed}.`,
    },
  );
}

async function fstabMounts(fileSystem: FileSystem): Promise<FstabEntry[]> {
  let bytes: Uint8Array;
  try {
    bytes = await fileSystem.readFile('/etc/fstab', { maxBytes: MAX_FSTAB_BYTES });
  } catch (error) {
    if (error instanceof DiskError) return [];
    throw error;
  }
  return parseFstab(bytes)
    .filter((entry) => namesDevice(entry) && depthOf(entry.path) > 0)
    .toSorted((a, b) => depthOf(a.path) - depthOf(b.path))
    .slice(0, MAX_MOUNTS);
}

async function mountEntry(
  fileSystem: FileSystem,
  devices: readonly GuestDevice[],
  root: GuestDevice,
  { spec, path }: FstabEntry,
): Promise<SkippedMount | undefined> {
  const device = findDevice(devices, spec);
  if (device === undefined) return { path, device: spec, reason: 'it is not on this disk' };
  if (device.volume === undefined) {
    const reason = device.problem?.message ?? 'its content is not recognised';
    return { path, device: device.name, reason };
  }
  if (device === root) return undefined;
  try {
    await fileSystem.mount(path, device.volume);
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
