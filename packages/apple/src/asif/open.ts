/** Opens ASIF images. */
import { readU64be } from '@diskfile/bytes';
import {
  type Limits,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt, unsupported } from '../refusals.ts';
import { type AsifHeader, HEADER_BYTES, parseHeader } from './header.ts';
import { AsifImage } from './image.ts';
import { ENTRY_BYTES } from './structs.ts';

/** Before the entries of a directory. */
const SEQUENCE_BYTES = 8;

export function* openAsif(context: OpenContext): Step<AsifImage> {
  refuseSnapshot(context, 'asif', 'An ASIF image');
  const { storage, limits } = context;
  const header = parseHeader(yield* readBytes(storage, 0, HEADER_BYTES));
  const tables = yield* readDirectory(storage, header, limits);
  return new AsifImage(storage, header, tables, limits.metadataCacheBytes);
}

/** Host offsets of the tables, 0 for those that are not there. */
function* readDirectory(storage: Storage, header: AsifHeader, limits: Limits): Step<Float64Array> {
  const { tableCount, chunkBytes } = header;
  const lengthBytes = SEQUENCE_BYTES + tableCount * ENTRY_BYTES;
  if (lengthBytes > limits.maxStructureBytes) {
    throw unsupported('asif.directory-size', `The disk has ${tableCount} tables`);
  }
  let newest: Uint8Array | undefined;
  for (const offset of header.directoryOffsets) {
    if (offset === 0 || offset + lengthBytes > storage.sizeBytes) continue;
    const directory = yield* readBytes(storage, offset, lengthBytes);
    if (newest === undefined || sequenceOf(directory) > sequenceOf(newest)) newest = directory;
  }
  if (newest === undefined) throw corrupt('asif.directory', 'No directory is within the file');
  const bytes = newest;
  return Float64Array.from({ length: tableCount }, (_, index) => {
    const at = SEQUENCE_BYTES + index * ENTRY_BYTES;
    return readU64be(bytes, at, 'directory entry') * chunkBytes;
  });
}

function sequenceOf(directory: Uint8Array): number {
  return readU64be(directory, 0, 'sequence number');
}
