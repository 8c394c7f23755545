/** Opens VDI images. */
import { DiskError } from '@diskfile/bytes';
import {
  BLOCK,
  BlockWriter,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  writableStorage,
} from '@diskfile/core';
import { BlockMap, WritableBlockMap } from './block-map.ts';
import { checkTables, corrupt, HEADER_BYTES, parseHeader, type VdiHeader } from './header.ts';
import { VdiImage } from './image.ts';

export function* openVdi(context: OpenContext): Step<VdiImage> {
  const { storage, limits } = context;
  refuseSnapshot(
    context,
    'vdi',
    'A VDI image',
    'VirtualBox keeps each snapshot in a file of its own: open that.',
  );
  const head = yield* readBytes(storage, 0, HEADER_BYTES);
  const header = parseHeader(head, context.tuning?.asQemu);
  if (!context.writable) {
    return new VdiImage(header, new BlockMap(storage, header, limits), undefined);
  }
  const map = yield* openWritable(context, header);
  return new VdiImage(header, map, new BlockWriter(map, { hasBacking: false }));
}

function* openWritable({ storage: file, limits }: OpenContext, header: VdiHeader) {
  const storage = writableStorage(file, 'vdi');
  if (header.type !== 'dynamic' && header.type !== 'static') {
    throw new DiskError(
      'unsupported',
      'vdi.not-writable',
      `A ${header.type} image can only be read`,
      {
        hint: 'Convert it to an image that stands alone.',
      },
    );
  }
  checkTables(header, limits);
  const places = yield* countPlaces(new BlockMap(storage, header, limits), header);
  return new WritableBlockMap(storage, header, limits, places);
}

/**
 * Places up to the last block. What lies behind it, a crash has left there.
 * @throws DiskError `corrupt` when two blocks share a place: a write to one would change the other
 */
function* countPlaces(map: BlockMap, header: VdiHeader): Step<number> {
  const { blockCount, dataOffset, blockExtraBytes, blockBytes } = header;
  const stride = blockExtraBytes + blockBytes;
  const taken = new Uint8Array(blockCount);
  let places = 0;
  for (let index = 0; index < blockCount; index++) {
    if (map.find(index) === BLOCK.unknown) yield* map.load(index);
    const hostOffset = map.find(index);
    if (hostOffset < 0) continue;
    const place = (hostOffset - blockExtraBytes - dataOffset) / stride;
    if (taken[place] !== 0) {
      throw corrupt(
        'vdi.map-duplicate',
        `The map gives two blocks the same place ${place}`,
        header.mapOffset + index * 4,
      );
    }
    taken[place] = 1;
    places = Math.max(places, place + 1);
  }
  return places;
}
