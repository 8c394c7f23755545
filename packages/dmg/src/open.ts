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
import { joinedForks, openSegments } from './segments.ts';
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

export function* openImage(source: ImageSource): Step<DmgImage> {
  const { storage, decoders, limits } = source;
  const own = yield* readTrailer(storage);
  const openNamed = source.openNamed.bind(source);
  const segments = yield* openSegments(
    { storage, trailer: own },
    { limits, openNamed, readTrailer },
  );
  if (segments.length === 1) {
    const chunks = new ChunkTable(
      yield* readResources(storage, own, limits),
      own.dataFork.offset,
      limits,
    );
    return new DmgImage({ content: storage, all: [storage] }, own, chunks, decoders, limits);
  }
  const telling = segments.find(({ trailer }) => hasTables(trailer)) ?? segments[0]!;
  const resources = yield* readResources(telling.storage, telling.trailer, limits);
  const chunks = new ChunkTable(resources, 0, limits);
  const files = {
    content: joinedForks(segments, limits),
    all: segments.map((segment) => segment.storage),
  };
  // Each checksum of a data fork is that of a part.
  const trailer = { ...telling.trailer, dataChecksum: undefined };
  return new DmgImage(files, trailer, chunks, decoders, limits);
}

function hasTables({ propertyList, resourceFork }: Trailer): boolean {
  return propertyList.lengthBytes + resourceFork.lengthBytes > 0;
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
