/** Opens sparse images: a header, the numbers of the bands that are there, and these. */
import { decodeName, divideUp, readU32be } from '@diskfile/bytes';
import { type OpenContext, readBytes, refuseSnapshot, type Step } from '@diskfile/core';
import { corrupt, unsupported } from '../refusals.ts';
import { BandTable, SparseImage, TWO_PLACES } from './image.ts';
import { fileHeader, HEADER_BYTES, SECTOR_BYTES, SIGNATURE, VERSION } from './structs.ts';

const NUMBER_BYTES = 4;

export function* openSparseImage(context: OpenContext): Step<SparseImage> {
  refuseSnapshot(context, 'sparseimage', 'A sparse image');
  const { storage } = context;
  const bytes = yield* readBytes(storage, 0, HEADER_BYTES);
  const header = fileHeader.decode(bytes);
  if (decodeName(header.signature) !== SIGNATURE) {
    throw corrupt('sparseimage.signature', 'The file does not begin as a sparse image does', 0);
  }
  if (header.version !== VERSION) {
    const at = fileHeader.offsetOf('version');
    throw unsupported('sparseimage.version', `The image is of version ${header.version}`, at);
  }
  if (header.nextIndexNodeOffset !== 0) {
    throw unsupported(
      'sparseimage.index-nodes',
      'The image has more bands than fit into its header; how it goes on is not known for certain',
      fileHeader.offsetOf('nextIndexNodeOffset'),
    );
  }
  const sectorCount = header.sectorCount || header.sectorCountLow;
  const sizeBytes = sectorCount * SECTOR_BYTES;
  const blockBytes = header.sectorsPerBand * SECTOR_BYTES;
  if (blockBytes === 0 || !Number.isSafeInteger(sizeBytes)) {
    const message = `Bands of ${blockBytes} bytes in a disk of ${sectorCount} sectors`;
    throw corrupt('sparseimage.geometry', message, fileHeader.offsetOf('sectorsPerBand'));
  }
  const places = placesOf(
    bytes,
    { count: divideUp(sizeBytes, blockBytes), blockBytes },
    context.warn,
  );
  return new SparseImage(new BandTable(storage, blockBytes, places), sizeBytes);
}

/** Host offsets of bands by their numbers, which count from 1 on. */
function placesOf(
  bytes: Uint8Array,
  { count, blockBytes }: { readonly count: number; readonly blockBytes: number },
  warn: OpenContext['warn'],
): Map<number, number> {
  const places = new Map<number, number>();
  for (let at = fileHeader.spanBytes; at < HEADER_BYTES; at += NUMBER_BYTES) {
    const number = readU32be(bytes, at);
    if (number === 0) continue;
    if (number > count) {
      const message = `The image has a band ${number}, and the disk only ${count} of them`;
      warn({ detail: 'sparseimage.band-number', message });
      continue;
    }
    const index = (at - fileHeader.spanBytes) / NUMBER_BYTES;
    const place = HEADER_BYTES + index * blockBytes;
    places.set(number - 1, places.has(number - 1) ? TWO_PLACES : place);
  }
  return places;
}
