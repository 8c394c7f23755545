/** What the host's file has where a disk has data. */
import type { ExtentMap, FormatImage } from '../format/format-image.ts';
import type { Extent } from './extent.ts';

export interface DataStatus {
  readonly lengthBytes: number;
  /** Whether anything is stored. */
  readonly data: boolean;
  /** Whether it is a hole of the file. */
  readonly zero: boolean;
}

/**
 * The status of the beginning of data; undefined where the host is not asked: an image whose
 * clusters are written as a whole has no holes in them.
 * @param layer the image whose data it is
 */
export function dataStatus(extent: Extent, layer: ExtentMap): DataStatus | undefined {
  const { kind, storage, hostOffset } = extent;
  if (kind !== 'data' || storage?.hostRangeSync === undefined || !maySkipHoles(layer)) {
    return undefined;
  }
  const host = storage.hostRangeSync(hostOffset, extent.lengthBytes);
  return {
    lengthBytes: Math.min(extent.lengthBytes, host.lengthBytes),
    // Without clusters of its own, a format's allocation is that of the host's file.
    data: host.data || layer.topology.clusterBytes > 1,
    zero: !host.data,
  };
}

function maySkipHoles(layer: ExtentMap): layer is FormatImage {
  return 'dataMayBeSparse' in layer && (layer as FormatImage).dataMayBeSparse;
}
