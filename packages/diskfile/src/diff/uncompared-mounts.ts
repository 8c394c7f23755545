/** What a comparison of the files of two guests cannot see. */
import { compareDisksSync } from '../convert/compare-disks.ts';
import type { Guest, SkippedMount } from '../guest/guest.ts';

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
export function uncomparedMountsSync(first: Guest, second: Guest): UncomparedMount[] {
  const found = new Map<string, UncomparedMount>();
  for (const guest of ['first', 'second'] as const) {
    for (const mount of { first, second }[guest].skippedMounts) {
      if (found.has(mount.path) || holdsTheSame(mount.device, first, second)) continue;
      found.set(mount.path, { ...mount, guest });
    }
  }
  return [...found.values()];
}

function holdsTheSame(name: string, first: Guest, second: Guest): boolean {
  const [one, other] = [first, second].map(({ devices }) =>
    devices.find((device) => device.name === name),
  );
  if (one === undefined || other === undefined) return one === other;
  return compareDisksSync(one.disk, other.disk).identical;
}
