/** Requests that give up clusters whose counts are damaged. */
import { DiskError } from 'diskfile';
import { requestReason } from '@diskfile/command';
import type { Session } from './session.ts';

/**
 * Tells of each cluster that was not freed. Such a request succeeds with QEMU, though the image is
 * given up and nothing of it reaches the file.
 * @param error that was told of already
 */
export function wasFreedInVain({ console, disk }: Session, error: unknown): boolean {
  if (!(error instanceof DiskError) || error.detail !== 'qcow2.refcount-block-offset') return false;
  const kept = disk.warnings.filter(({ detail }) => detail === 'qcow2.free-uncounted');
  const line = `qcow2_free_clusters failed: ${requestReason(error)}\n`;
  console.err(line.repeat(kept.length));
  return kept.length > 0;
}
