/** What an opened image says of itself. */
import type { ImageInfo } from '../disk-file.ts';
import type { FormatImage } from '../format/format-image.ts';

export function imageInfo(image: FormatImage): ImageInfo {
  return {
    path: image.storages[0]!.name,
    format: image.format,
    virtualSizeBytes: image.sizeBytes,
    allocatedBytes: allocatedBytes(image),
    clusterBytes: image.topology.clusterBytes,
    backing: image.backing,
    snapshots: image.snapshots ?? [],
    bitmaps: image.bitmaps ?? [],
    details: image.details(),
  };
}

/** Space on the host that its files take. */
export function allocatedBytes(image: FormatImage): number {
  return image.storages.reduce((sum, storage) => sum + storage.allocatedBytes(), 0);
}
