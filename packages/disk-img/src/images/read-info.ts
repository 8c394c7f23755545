/** What an image says of itself. */
import type { ImageInfo } from 'diskfile';
import type { Program } from '../program.ts';
import type { ImageSource } from './image-source.ts';
import { openImage, withDisk } from './open-image.ts';

/** Of the image alone, whatever lies below it. @throws Failure when it cannot be opened */
export function readInfo(
  program: Program,
  source: ImageSource,
  { forceShare = false }: { readonly forceShare?: boolean } = {},
): ImageInfo {
  const disk = openImage(program, { source, forceShare, backing: false, withoutKey: true });
  return withDisk(disk, () => disk.info()[0]!);
}
