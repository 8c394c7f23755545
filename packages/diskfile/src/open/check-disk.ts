/** Arguments that are to be disks. */
import { DiskError } from '@diskfile/bytes';

/** @throws DiskError `invalid-argument`, for the path of a disk above all */
export function checkDisk(op: string, disk: unknown): void {
  if (typeof disk === 'object' && disk !== null && 'blockStatus' in disk) return;
  const given = typeof disk === 'string' ? 'a path' : String(disk);
  throw new DiskError(
    'invalid-argument',
    'disk.not-a-disk',
    `This takes opened disks, not ${given}`,
    { op, hint: 'Open the image with openDiskFile() first.' },
  );
}
