/** What `info` says behind the name of the format. */
import { formatSpecificText } from '@diskfile/command';
import type { ImageInfo } from 'diskfile';
import { byteText } from './byte-text.ts';

/** Drivers that QEMU has no such words for. */
const SILENT: ReadonlySet<string> = new Set(['null-co', 'null-aio', 'parallels', 'quorum']);

/** @returns undefined where there is nothing to say */
export function infoText(format: string, image: ImageInfo): string | undefined {
  if (SILENT.has(format)) return undefined;
  const cluster = image.clusterBytes > 1 ? image.clusterBytes : 0;
  const places = `cluster size: ${byteText(cluster)}\nvm state offset: ${byteText(stateOffset(image))}\n`;
  // A filter tells of places in the image below it, and nothing of that as such.
  return format === image.format ? places + formatSpecificText(image) : places;
}

/** Behind all that the tables of the disk map, in a qcow2 image. */
function stateOffset({ format, clusterBytes, virtualSizeBytes, details }: ImageInfo): number {
  if (format !== 'qcow2') return 0;
  const entryBytes = details['extendedL2'] === true ? 16 : 8;
  const tableBytes = (clusterBytes / entryBytes) * clusterBytes;
  return Math.ceil(virtualSizeBytes / tableBytes) * tableBytes;
}
