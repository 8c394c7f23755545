/** What is to be said of the devices on a disk. */
import type { GuestDevice } from 'diskfile';
import type { Report } from '../cli/report.ts';

/** Reports filesystems that are damaged, and warnings of those that could be mounted. */
export function reportDevices(devices: readonly GuestDevice[], report: Report): void {
  for (const { name, problem, volume } of devices) {
    report.warnings(volume?.warnings ?? []);
    // A filesystem of a kind that is not supported yet is ordinary; a broken one is not.
    if (problem !== undefined && problem.code !== 'unsupported') {
      report.warning({ detail: problem.detail, message: `${name}: ${problem.describe()}` });
    }
  }
}
