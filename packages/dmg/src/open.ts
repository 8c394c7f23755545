/** Opens UDIF images. */
import { DiskError } from '@diskfile/bytes';
import {
  type Limits,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type Storage,
} from '@diskfile/core';
import { ChunkTable } from './chunk-table.ts';
import { DmgImage, type ImageSource } from './image.ts';
import { corrupt, tooLarge } from './refusals.ts';
import { type TableResource, tablesInPropertyList, tablesInResourceFork } from './resources.ts';
import {
  type ByteRange,
  findTrailer,
  isEncrypted,
  isTrailer,
  parseTrailer,
  type Trailer,
  TRAILER_BYTES,
  TRAILER_SEARCH_BYTES,
} from './trailer.ts';

export function* openDmg(context: OpenContext): Step<DmgImage> {
  refuseSnapshot(context, 'dmg', 'A DMG image');
  return yield* openImage(context);
}

export function* openImage({ storage, decoders, limits }: ImageSource): Step<DmgImage> {
  const trailer = yield* readTrailer(storage);
  const resources = yield* readResources(storage, trailer, limits);
  const chunks = new ChunkTable(resources, trailer.dataFork.offset, limits);
  return new DmgImage(storage, trailer, chunks, decoders, limits);
}

function* readTrailer(storage: Storage): Step<Trailer> {
  const { sizeBytes } = storage;
  const searchBytes = Math.min(sizeBytes, TRAILER_SEARCH_BYTES);
  const tail = yield* readBytes(storage, sizeBytes - searchBytes, searchBytes);
  const head = yield* readBytes(storage, 0, Math.min(sizeBytes, TRAILER_BYTES));
  if (isEncrypted({ head, tail })) {
    throw new DiskError('unsupported', 'dmg.encrypted', 'The image is encrypted', {
      hint: 'Decrypt it first, with hdiutil convert.',
    });
  }
  const at = findTrailer(tail);
  if (at !== undefined) return parseTrailer(tail, at, sizeBytes);
  if (isTrailer(head, 0)) return parseTrailer(head, 0, sizeBytes);
  throw corrupt('dmg.no-trailer', 'The file does not end in the trailer of a DMG image');
}

function* readResources(
  storage: Storage,
  { propertyList, resourceFork }: Trailer,
  limits: Limits,
): Step<TableResource[]> {
  if (propertyList.lengthBytes > 0) {
    return tablesInPropertyList(yield* readRange(storage, propertyList, limits));
  }
  if (resourceFork.lengthBytes > 0) {
    return tablesInResourceFork(yield* readRange(storage, resourceFork, limits));
  }
  throw corrupt('dmg.no-tables', 'The image has neither a property list nor a resource fork');
}

function* readRange(storage: Storage, range: ByteRange, limits: Limits): Step<Uint8Array> {
  if (range.lengthBytes > limits.maxStructureBytes) {
    const message = `The block tables take ${range.lengthBytes} bytes`;
    throw tooLarge('dmg.table-size', message, 'maxStructureBytes');
  }
  return yield* readBytes(storage, range.offset, range.lengthBytes);
}
