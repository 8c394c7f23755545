/** What a comparison of the files of two guests cannot see. */
import { checkFields, type OptionKinds } from '@diskfile/core';
import { compareDisksSync } from '../convert/compare-disks.ts';
import type { Guest, SkippedMount } from '../guest/guest.ts';

/** What counts of a guest here. */
type MountedGuest = Pick<Guest, 'skippedMounts' | 'devices'>;

const GUEST_KINDS: OptionKinds<MountedGuest> = { skippedMounts: 'list', devices: 'list' };

export interface UncomparedMount extends SkippedMount {
  /** Whose it is; the first guest's, where it is in both. */
  readonly guest: 'first' | 'second';
}

/**
 * Mounts of /etc/fstab whose filesystems cannot be read, so that {@link fileDifferencesSync} compares
 * what is beneath them. Not those whose devices hold the same bytes in both guests, or are on
 * neither disk: nothing can differ there.
 * @throws DiskError what reading throws
 */
export function uncomparedMountsSync(first: MountedGuest, second: MountedGuest): UncomparedMount[] {
  for (const [name, guest] of Object.entries<MountedGuest>({ first, second })) {
    checkFields('diff', guest, GUEST_KINDS, ['skippedMounts', 'devices'], name);
  }
  const found = new Map<string, UncomparedMount>();
  for (const guest of ['first', 'second'] as const) {
    for (const mount of { first, second }[guest].skippedMounts) {
      if (found.has(mount.path) || holdsTheSame(mount.device, first, second)) continue;
      found.set(mount.path, { ...mount, guest });
    }
  }
  return [...found.values()];
}

function holdsTheSame(name: string, first: MountedGuest, second: MountedGuest): boolean {
  const [one, other] = [first, second].map(({ devices }) =>
    devices.find((device) => device.name === name),
  );
  if (one === undefined || other === undefined) return one === other;
  return compareDisksSync(one.disk, other.disk).identical;
}
