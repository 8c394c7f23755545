/** What the host has of a disk whose process is killed. */
import { DiskError } from 'diskfile';
import { writesTables } from '../text/format-habits.ts';
import type { Session } from './session.ts';

/** Before the process is killed: what QEMU's driver would have written by now. */
export async function writeTables(session: Session): Promise<void> {
  const { opened } = session;
  if (opened === undefined || opened.disk.readOnly || !writesTables(session.imageFormat)) return;
  try {
    await opened.disk.flush();
  } catch (error) {
    // The image stays as it is then, as it does where the process is killed by others.
    if (!(error instanceof DiskError)) throw error;
  }
}
