/** What an image says of itself. */
import type { DiskFile, ImageInfo } from 'diskfile';
import { Failure, type Program } from '../program.ts';
import { headerGate, lacksDataFile } from './header-gate.ts';
import type { ImageSource } from './image-source.ts';
import { type ShownImage, shownImage } from '../report/graph-name.ts';
import { openImage, type OpenRequest, withDisk } from './open-image.ts';

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
  const disk = openHeader(program, { source, forceShare, backing: false, withoutKey: true });
  const info = withDisk(disk, () => disk.info()[0]!);
  const { described } = source;
  if (described === undefined) return info;
  const shown = shownImage(described, info.format);
  const { driver } = shown;
  if (driver === undefined) return { ...info, shown };
  return { ...info, shown, format: driver, backing: undefined, snapshots: [], details: {} };
}

/** As QEMU, which reads nothing here, does without data files. */
function openHeader(program: Program, how: OpenRequest): DiskFile {
  try {
    return openImage(program, how);
  } catch (error) {
    if (!(error instanceof Failure) || !lacksDataFile(error.cause)) throw error;
    try {
      return openImage(program, { ...how, gate: headerGate });
    } catch {
      throw error;
    }
  }
}
