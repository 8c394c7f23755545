/** Images that are to lie below others: looked at before they do. */
import { checkEncryption } from '@diskfile/command';
import type { DiskFile, UserObjects } from 'diskfile';
import { Failure } from '../program.ts';
import { openReason } from '../words/open-failure.ts';
import { backingPath } from './backing-path.ts';
import { imageSource } from './image-source.ts';
import { closeQuietly, OPEN_GATE, openSource } from './open-image.ts';

export interface Below {
  /** As the image above is to name it. */
  readonly name: string;
  readonly format: string | undefined;
  /** Path of the image above, which relative names count from. */
  readonly above: string;
  readonly objects?: UserObjects;
  readonly forceShare?: boolean;
  /** Whether it is to be read: an encrypted one is refused without its key. */
  readonly isRead?: boolean;
}

/** @throws Error whose message is the bare reason why it cannot be opened, and whose cause says it */
export function openBelow(below: Below): DiskFile {
  const { name, format, above, objects, forceShare = false, isRead = false } = below;
  const path = backingPath(above, name);
  try {
    const source = imageSource(path, { format, ...(objects === undefined ? {} : { objects }) });
    const disk = openSource(source, { readOnly: true, gate: OPEN_GATE, forceShare });
    if (isRead) refuseLocked(disk);
    return disk;
  } catch (error) {
    // What makes no sense as a name is told of without it.
    const reason =
      error instanceof Failure
        ? error.message.replace(`Could not open '${path}': `, '')
        : openReason(error);
    throw new Error(reason, { cause: error });
  }
}

function refuseLocked(disk: DiskFile): void {
  try {
    checkEncryption(disk.info(), true);
  } catch (error) {
    closeQuietly(disk);
    throw error;
  }
}
