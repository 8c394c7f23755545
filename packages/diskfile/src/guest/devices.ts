/** The places of a disk that can hold a filesystem, named as a guest with one disk would name them. */
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, readBytes, runAsync, type Step, type Volume } from '@diskfile/core';
import { mountStep, type OpenFileSystemOptions } from '../open-file-system.ts';
import { type DiskPartition, readPartitions } from '../partitions/partitions.ts';
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
  /** Why a filesystem that was recognised could not be mounted. */
  readonly problem: DiskError | undefined;
}

const WHOLE_DISK = '/dev/sda';

/**
 * Looks at the whole disk or, where it has a partition table, at each partition. Every device owns
 * a handle; {@link closeDevices} releases them.
 */
export async function openDevices(
  disk: DiskFile,
  options: OpenFileSystemOptions = {},
): Promise<GuestDevice[]> {
  const table = await readPartitions(disk);
  const devices: GuestDevice[] = [];
  try {
    for (const [name, partition] of candidates(table?.partitions)) {
      const part = partition?.open() ?? disk.tryClone();
      devices.push(await runAsync(deviceStep(name, part, partition, options)));
    }
  } catch (error) {
    await closeDevices(devices);
    throw error;
  }
  return devices;
}

export async function closeDevices(devices: readonly GuestDevice[]): Promise<void> {
  await Promise.all(devices.map(({ disk }) => disk.close()));
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
  const head = yield* readBytes(disk, 0, Math.min(disk.sizeBytes, SIGNATURE_BYTES));
  const base = { name, disk, partition, sizeBytes: disk.sizeBytes };
  try {
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
