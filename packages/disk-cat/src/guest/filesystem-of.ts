/** Which device of the guest holds a path. */
import type { Guest } from 'diskfile';

/** `/dev/sda2` for a path without links, `.` and `..`. */
export function filesystemOf(guest: Guest, path: string): string {
  // Later mounts may stand on earlier ones. The root holds whatever no other does.
  const mount = guest.fileSystem.mounts.findLast(
    (candidate) => path === candidate.path || path.startsWith(`${candidate.path}/`),
  );
  if (mount === undefined) return guest.root.name;
  return guest.devices.find(({ volume }) => volume === mount.volume)!.name;
}
