/** What an image says of itself. */
import type { ImageInfo } from 'diskfile';
import type { Program } from '../program.ts';
import type { ImageSource } from './image-source.ts';
import { type ShownImage, shownImage } from '../report/graph-name.ts';
import { openImage, withDisk } from './open-image.ts';

/** What an image says, and how it is called where options describe it. */
export interface ReadInfo extends ImageInfo {
  readonly shown?: ShownImage;
}

/** Of the image alone, whatever lies below it. @throws Failure when it cannot be opened */
export function readInfo(
  program: Program,
  source: ImageSource,
  { forceShare = false }: { readonly forceShare?: boolean } = {},
): ReadInfo {
  const disk = openImage(program, { source, forceShare, backing: false, withoutKey: true });
  const info = withDisk(disk, () => disk.info()[0]!);
  const { described } = source;
  if (described === undefined) return info;
  const shown = shownImage(described, info.format);
  const { driver } = shown;
  if (driver === undefined) return { ...info, shown };
  return { ...info, shown, format: driver, backing: undefined, snapshots: [], details: {} };
}
