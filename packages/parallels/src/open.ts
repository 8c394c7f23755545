/** Opens Parallels images. */
import { DiskError, hasAnyBit } from '@diskfile/bytes';
import {
  type FormatImage,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type WritableStorage,
  writableStorage,
} from '@diskfile/core';
import { AllocationTable, WritableAllocationTable } from './allocation-table.ts';
import { corrupt } from './errors.ts';
import { openBundle } from './bundle/open-bundle.ts';
import { HEAD_BYTES, isDescriptor } from './bundle/signature.ts';
import { forbidsWriting } from './extension.ts';
import { HEADER_BYTES, IN_USE_AT, type ParallelsHeader, parseHeader } from './header.ts';
import { ParallelsImage } from './image.ts';
import { setInUse } from './in-use.ts';
import { Inspection } from './inspection.ts';
import { EMPTY_IMAGE, IN_USE } from './structs.ts';
import { ParallelsWriter } from './writer.ts';

export function* openParallels(context: OpenContext): Step<FormatImage> {
  const { storage } = context;
  const head = yield* readBytes(storage, 0, HEAD_BYTES);
  return isDescriptor(head) ? yield* openBundle(context) : yield* openImage(context, head);
}

function* openImage(context: OpenContext, head: Uint8Array): Step<ParallelsImage> {
  const { storage, limits } = context;
  refuseSnapshot(
    context,
    'parallels',
    'A Parallels image',
    'Snapshots are files of their own, which DiskDescriptor.xml names.',
  );
  const header = parseHeader(head, storage.sizeBytes, limits);
  if (hasAnyBit(header.flags, EMPTY_IMAGE)) {
    context.warn({
      detail: 'parallels.empty',
      message: 'The image says of itself that nothing in it counts; what is in it is shown',
    });
  }
  if (context.writable)
    return yield* openWritable(context, writableStorage(storage, 'parallels'), header);
  if (header.inUse === IN_USE.open) {
    context.warn({
      detail: 'parallels.in-use',
      message: 'The image was not closed correctly, or is being written',
    });
  }
  return new ParallelsImage(new AllocationTable(storage, header, limits), undefined);
}

function* openWritable(
  context: OpenContext,
  storage: WritableStorage,
  header: ParallelsHeader,
): Step<ParallelsImage> {
  if (header.inUse === IN_USE.open) {
    throw corrupt(
      'parallels.not-closed',
      'The image was not closed correctly, so it cannot be opened for writing',
      IN_USE_AT,
      'If no other program has it open, repair it with checkDiskFile(…, { repair: "all" }).',
    );
  }
  if (yield* forbidsWriting(storage, header)) {
    throw new DiskError(
      'unsupported',
      'parallels.extension-necessary',
      'The image has a format extension that has to be kept up to date with every write',
      { offset: header.extensionOffset, hint: 'Convert it into an image that can be written.' },
    );
  }
  const found = yield* Inspection.run(storage, header);
  if (found.obstacle !== undefined)
    throw corrupt('parallels.damaged', found.obstacle, HEADER_BYTES);
  let { endOffset } = found;
  if (header.extensionOffset !== 0) {
    // What extensions keep lies anywhere.
    endOffset = Math.max(endOffset, storage.sizeBytes);
    context.warn({
      detail: 'parallels.extension-dropped',
      message: 'The image has a format extension, which counts no more once the disk is written',
    });
  }
  const table = new WritableAllocationTable(storage, header, context.limits, endOffset);
  yield* setInUse(storage, IN_USE.open);
  return new ParallelsImage(table, new ParallelsWriter(table, context.tuning?.asQemu === true));
}
