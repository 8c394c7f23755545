import { DiskError } from '@diskfile/bytes';

/** Runs something that may be refused; undefined then. Anything but a `DiskError` goes on up. */
export async function tolerate<T>(attempt: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}
