/** Opens growing images. */
import { readU32le } from '@diskfile/bytes';
import { type OpenContext, readBytes, refuseSnapshot, type Step } from '@diskfile/core';
import { HEADER_BYTES, parseHeader } from './header.ts';
import { BochsImage } from './image.ts';
import { corrupt } from './refusals.ts';

const ENTRY_BYTES = 4;

export function* openBochs(context: OpenContext): Step<BochsImage> {
  const { storage, limits } = context;
  refuseSnapshot(context, 'bochs', 'An image of Bochs');
  const header = parseHeader(yield* readBytes(storage, 0, HEADER_BYTES));
  const { catalogOffset, catalogEntries, dataOffset } = header;
  if (dataOffset > storage.sizeBytes) {
    const message = `A catalog of ${catalogEntries} extents lies past the end`;
    throw corrupt('bochs.catalog', message, catalogOffset);
  }
  const bytes = yield* readBytes(storage, catalogOffset, catalogEntries * ENTRY_BYTES);
  const catalog = Uint32Array.from({ length: catalogEntries }, (_, index) =>
    readU32le(bytes, index * ENTRY_BYTES),
  );
  return new BochsImage(storage, header, catalog, limits.metadataCacheBytes);
}
