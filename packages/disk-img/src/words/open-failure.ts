/** Images that cannot be opened, and why. */
import { DiskError, openDiskFileSync } from 'diskfile';
import { backingPath } from '../images/backing-path.ts';
import type { ImageSource } from '../images/image-source.ts';
import { Failure } from '../program.ts';
import { wordsOf } from './disk-words.ts';

/** @param exitCode of the command; 1 where it does not matter which of its files it was */
export function openFailure(source: ImageSource, error: unknown, exitCode = 1): Failure {
  const reason = openReason(source, error);
  return new Failure(`Could not open '${source.filename}': ${reason}`, { exitCode });
}

/** @throws what is no error of a disk */
export function openReason({ path, format }: ImageSource, error: unknown): string {
  const words = wordsOf(error);
  return path === undefined ? words : (reasonBelow(path, format) ?? words);
}

const MAX_CHAIN = 200;

/**
 * Goes down the chain to the image that stands in the way: what is wrong with one below is said once
 * for each on the way there. Undefined when each by itself can be opened.
 */
function reasonBelow(path: string, format: string | undefined): string | undefined {
  let prefix = '';
  let image: { path: string; format: string | undefined } | undefined = { path, format };
  for (let depth = 0; image !== undefined && depth < MAX_CHAIN; depth++) {
    const next = lookInto(image.path, image.format);
    if (typeof next === 'string') return `${prefix}${next}`;
    image = next;
    prefix += 'Could not open backing file: ';
  }
  return undefined;
}

/** What lies below an image, or why it cannot be opened. */
function lookInto(path: string, format: string | undefined) {
  try {
    const disk = openDiskFileSync(path, {
      ...(format === undefined ? {} : { format }),
      backing: false,
      forceShare: true,
      gate: { allow: 'any' },
    });
    const { backing } = disk.info()[0]!;
    disk.closeSync();
    return backing && { path: backingPath(path, backing.name), format: backing.format };
  } catch (error) {
    if (error instanceof DiskError) return wordsOf(error);
    throw error;
  }
}
