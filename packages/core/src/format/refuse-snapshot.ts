/** Formats whose images have no snapshots within them. */
import { DiskError } from '@diskfile/bytes';
import { quote } from '../open/reference.ts';
import type { OpenContext } from './format-driver.ts';

/**
 * @param format id of the format, for the error's detail
 * @param kind what such an image is called
 * @throws DiskError `not-found` (`FORMAT.no-snapshots`) when a snapshot is asked for
 */
export function refuseSnapshot(
  { snapshot }: OpenContext,
  format: string,
  kind: string,
  hint = 'Open it without a snapshot.',
): void {
  if (snapshot === undefined) return;
  const message = `${kind} has no snapshots within it, so none called ${quote(snapshot)}`;
  throw new DiskError('not-found', `${format}.no-snapshots`, message, { hint });
}
