/** Images that are to lie below others: looked at before they do. */
import type { DiskFile, UserObjects } from 'diskfile';
import { Failure } from '../program.ts';
import { openReason } from '../words/open-failure.ts';
import { backingPath } from './backing-path.ts';
import { imageSource } from './image-source.ts';
import { OPEN_GATE, openSource } from './open-image.ts';

export interface Below {
  /** As the image above is to name it. */
  readonly name: string;
  readonly format: string | undefined;
  /** Path of the image above, which relative names count from. */
  readonly above: string;
  readonly objects?: UserObjects;
  readonly forceShare?: boolean;
}

/** @throws Error whose message is the bare reason why it cannot be opened, and whose cause says it */
export function openBelow({ name, format, above, objects, forceShare = false }: Below): DiskFile {
  const path = backingPath(above, name);
  try {
    const source = imageSource(path, { format, ...(objects === undefined ? {} : { objects }) });
    return openSource(source, { readOnly: true, gate: OPEN_GATE, forceShare });
  } catch (error) {
    // What makes no sense as a name is told of without it.
    const reason =
      error instanceof Failure
        ? error.message.replace(`Could not open '${path}': `, '')
        : openReason(error);
    throw new Error(reason, { cause: error });
  }
}
