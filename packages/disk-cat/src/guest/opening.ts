/** Opening what a command line names. */
import { existsSync, readFileSync } from 'node:fs';
import {
  type DiskFile,
  type Guest,
  type MountChoice,
  openDiskFileSync,
  type OpenDiskFileOptions,
  openGuestSync,
} from 'diskfile';
import type { CommonOptions, GuestOptions } from '../cli/command-line.ts';
import { UsageError } from '../cli/failure.ts';
import type { Report } from '../cli/report.ts';

export function diskOptions({ format, snapshot, allowBacking, keyFile }: CommonOptions) {
  const allow = allowBacking.includes('any') ? ('any' as const) : allowBacking;
  const options: OpenDiskFileOptions = {
    gate: { allow },
    // The commands only look, and the disk of a running machine is worth a look. A warning tells.
    forceShare: true,
    ...(format === undefined ? {} : { format }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(keyFile === undefined ? {} : { passphrase: readFileSync(keyFile) }),
  };
  return options;
}

/** Opens the image for the time of `use`, and reports what was noticed on the way. */
export async function withDisk<T>(
  image: string,
  options: CommonOptions,
  report: Report,
  use: (disk: DiskFile) => Promise<T>,
): Promise<T> {
  refuseStreams(image);
  const disk = openDiskFileSync(image, diskOptions(options));
  try {
    report.warnings(disk.warnings);
    return await use(disk);
  } finally {
    await disk.close();
  }
}

/** Opens the guest on an image for the time of `use`. */
export function withGuest<T>(
  image: string,
  options: GuestOptions,
  report: Report,
  use: (guest: Guest) => Promise<T>,
): Promise<T> {
  return withDisk(image, options, report, async (disk) => {
    const mounts = options.mount.map(parseMount);
    const guest = openGuestSync(disk, {
      strict: options.strict,
      ...(mounts.length === 0 ? {} : { mounts }),
    });
    try {
      report.warnings(guest.warnings);
      return await use(guest);
    } finally {
      for (const { volume } of guest.fileSystem.mounts) report.warnings(volume.warnings);
      await guest.close();
    }
  });
}

/** `/dev/sda1`, `/dev/sda1:/mnt`, `LABEL=boot:/boot`. */
function parseMount(text: string): MountChoice {
  const [, device, path] = /^([^:]+)(?::(\/.*))?$/s.exec(text) ?? [];
  if (device === undefined) {
    throw new UsageError(`--mount takes DEVICE or DEVICE:/PATH, not '${text}'`);
  }
  return path === undefined ? { device } : { device, path };
}

/** Disks are read here and there, which a stream cannot do. */
export function refuseStreams(image: string): void {
  if (existsSync(image)) return;
  if (image === '-') throw new UsageError('an image cannot be read from standard input');
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(image)) {
    throw new UsageError(`'${image}' is a URL, and only local files can be read`);
  }
}
