/** Opening a disk as it was when an internal snapshot was taken. */
import { formatName, wordsOf } from '@diskfile/command';
import { DiskError, type DiskFile } from 'diskfile';
import type { SnapshotParameter } from '../arguments/snapshot-parameter.ts';
import { Failure, type Program } from '../program.ts';
import { namesNoTable } from '../words/damaged-snapshot.ts';
import { closeQuietly, openImage, type OpenRequest } from './open-image.ts';

/** As {@link openImage}; without a snapshot, the disk as it is. @throws Failure */
export function openAtSnapshot(
  program: Program,
  request: OpenRequest,
  snapshot: SnapshotParameter | undefined,
): DiskFile {
  try {
    const wanted =
      typeof snapshot === 'object' ? findSnapshot(program, request, snapshot) : snapshot;
    return openImage(program, { ...request, snapshot: wanted });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { cause } = error;
    if (cause instanceof DiskError && cause.detail.endsWith('snapshot-not-found')) {
      // QEMU opens the image before it looks for the snapshot, and wants its key for that.
      closeQuietly(openImage(program, request));
      throw notFound(error);
    }
    if (cause instanceof DiskError && namesNoTable(cause)) {
      throw new Failure(`Failed to load snapshot: ${wordsOf(cause)}`, { cause: error });
    }
    if (!(cause instanceof DiskError) || !cause.detail.endsWith('.no-snapshots')) throw error;
    const format = formatName(cause.context.format ?? cause.detail.split('.')[0]!);
    throw new Failure(
      `Failed to load snapshot: Block format '${format}' used by device '' does not support ` +
        'temporarily loading internal snapshots',
      { cause: error },
    );
  }
}

/** @returns the id of the snapshot that has all that is asked for */
function findSnapshot(
  program: Program,
  request: OpenRequest,
  { id, name }: Exclude<SnapshotParameter, string>,
): string {
  const disk = openImage(program, request);
  const { snapshots } = disk.info()[0]!;
  closeQuietly(disk);
  const found = snapshots.find(
    (each) => each.id === (id ?? each.id) && each.name === (name ?? each.name),
  );
  if (found !== undefined) return found.id;
  // A format without snapshots is told of before one that is not there.
  closeQuietly(openImage(program, { ...request, snapshot: id ?? name ?? '' }));
  throw notFound();
}

function notFound(cause?: Failure): Failure {
  return new Failure("Failed to load snapshot: Can't find snapshot", { cause });
}
