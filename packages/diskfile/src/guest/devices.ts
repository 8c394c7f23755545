/** The places of a disk that can hold a filesystem, named as a guest with one disk would name them. */
import { DiskError } from '@diskfile/bytes';
import {
  checkArgument,
  checkDisk,
  checkOptions,
  type DiskFile,
  type DiskWarning,
  hostCall,
  readBytes,
  runAsync,
  runSync,
  type Step,
  type Volume,
} from '@diskfile/core';
import { FILE_SYSTEM_KINDS, mountStep, type OpenFileSystemOptions } from '../open-file-system.ts';
import { checkedLimits } from '../open/limits.ts';
import { type DiskPartition, partitionsStep } from '../partitions/partitions.ts';
import { recogniseSignature, type Signature, SIGNATURE_BYTES } from './signature.ts';

/** The whole disk (`/dev/sda`) or a partition of it (`/dev/sda1`), and what it holds. */
export interface GuestDevice {
  readonly name: string;
  readonly disk: DiskFile;
  /** Undefined for the whole disk. */
  readonly partition: DiskPartition | undefined;
  readonly sizeBytes: number;
  /** Type, label and UUID of the content; undefined when it is not recognised. */
  readonly content: Signature | undefined;
  /** The mounted filesystem, where it can be read. */
  readonly volume: Volume | undefined;
  /** Why a filesystem that was recognised could not be mounted, or the device not be read. */
  readonly problem: DiskError | undefined;
}

const WHOLE_DISK = '/dev/sda';

/** The devices of a disk, and what its partition table gave rise to say. */
export interface DeviceList {
  readonly devices: GuestDevice[];
  readonly warnings: readonly DiskWarning[];
}

/**
 * Looks at the whole disk or, where it has a partition table, at each partition. Every device owns
 * a handle; {@link closeDevices} releases them.
 */
export async function openDevices(
  disk: DiskFile,
  options: OpenFileSystemOptions = {},
): Promise<GuestDevice[]> {
  return (await runAsync(devicesStep(disk, options))).devices;
}

/** The synchronous form of {@link openDevices}. */
export function openDevicesSync(
  disk: DiskFile,
  options: OpenFileSystemOptions = {},
): GuestDevice[] {
  return runSync(devicesStep(disk, options)).devices;
}

/** The step behind both forms. */
export function* devicesStep(disk: DiskFile, options: OpenFileSystemOptions): Step<DeviceList> {
  checkDisk('devices', disk);
  checkOptions('devices', options, FILE_SYSTEM_KINDS);
  checkedLimits(options.limits);
  const table = yield* partitionsStep(disk);
  const devices: GuestDevice[] = [];
  try {
    for (const [name, partition] of candidates(table?.partitions)) {
      const part = partition?.open() ?? disk.tryClone();
      devices.push(yield* deviceStep(name, part, partition, options));
    }
  } catch (error) {
    yield* closeDevicesStep(devices);
    throw error;
  }
  return { devices, warnings: table?.warnings ?? [] };
}

export async function closeDevices(devices: readonly GuestDevice[]): Promise<void> {
  checkArgument('close', 'devices', devices, 'list');
  await Promise.all(devices.map(({ disk }) => disk.close()));
}

/** The synchronous form of {@link closeDevices}. */
export function closeDevicesSync(devices: readonly GuestDevice[]): void {
  checkArgument('close', 'devices', devices, 'list');
  for (const { disk } of devices) disk.closeSync();
}

export function closeDevicesStep(devices: readonly GuestDevice[]): Step<void> {
  return hostCall(
    () => closeDevicesSync(devices),
    () => closeDevices(devices),
  );
}

function candidates(
  partitions: readonly DiskPartition[] | undefined,
): [string, DiskPartition | undefined][] {
  if (partitions === undefined) return [[WHOLE_DISK, undefined]];
  return partitions
    .filter(({ extended }) => !extended)
    .map((partition) => [`${WHOLE_DISK}${partition.number}`, partition]);
}

function* deviceStep(
  name: string,
  disk: DiskFile,
  partition: DiskPartition | undefined,
  options: OpenFileSystemOptions,
): Step<GuestDevice> {
  const base = { name, disk, partition, sizeBytes: disk.sizeBytes };
  // A partition that cannot be read is a problem of that device: the others are still there.
  let head: Uint8Array = new Uint8Array(0);
  try {
    head = yield* readBytes(disk, 0, Math.min(disk.sizeBytes, SIGNATURE_BYTES));
    const volume = yield* mountStep(disk, options);
    const { type, label, uuid } = volume;
    const content: Signature = { type, label, uuid, usage: 'filesystem' };
    return { ...base, content, volume, problem: undefined };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const content = recogniseSignature(head);
    const problem = error.detail === 'filesystem.none' ? undefined : error;
    return { ...base, content, volume: undefined, problem };
  }
}
