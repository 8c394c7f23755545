/** Mounts of the guest that could not be made, where they stand in the way of a path. */
import { DiskError, type Guest } from 'diskfile';
import type { Report } from '../cli/report.ts';

/**
 * Warns when what is at `path`, or below it if `recursive`, belongs to a filesystem of the guest
 * that is not mounted. Links on the way to the path are taken into account.
 */
export function warnOfSkippedMounts(
  guest: Guest,
  path: string,
  report: Report,
  recursive = false,
): void {
  if (guest.skippedMounts.length === 0) return;
  const places = [normalised(path), realPath(guest, path)];
  for (const { path: mountPath, device, reason } of guest.skippedMounts) {
    const mount = normalised(mountPath);
    const concerned = places.some(
      (place) => isWithin(place, mount) || (recursive && isWithin(mount, place)),
    );
    if (!concerned) continue;
    report.warning({
      detail: 'guest.skipped-mount',
      message: `${mountPath} is not mounted: ${device}: ${reason}; what is shown lies beneath it`,
    });
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** As far as the path leads anywhere: a missing file can still lie below a missing mount. */
function realPath({ fileSystem }: Guest, path: string): string {
  const names = path.split('/');
  for (let kept = names.length; kept > 0; kept--) {
    try {
      const start = fileSystem.realpathSync(names.slice(0, kept).join('/'));
      return normalised([start, ...names.slice(kept)].join('/'));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }
  return '/';
}

function normalised(path: string): string {
  const kept: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') kept.pop();
    else if (name !== '' && name !== '.') kept.push(name);
  }
  return `/${kept.join('/')}`;
}
