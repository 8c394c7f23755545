/** Opens QED images. */
import { DiskError, hasAnyBit } from '@diskfile/bytes';
import {
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type WritableStorage,
  writableStorage,
} from '@diskfile/core';
import { mendAfterCrash } from './check.ts';
import { openTable, openWritableTable } from './cluster-table.ts';
import { corrupt } from './errors.ts';
import { HeaderState } from './header-state.ts';
import { HEADER_BYTES, parseHeader } from './header.ts';
import { QedImage } from './image.ts';
import { Inspection } from './inspection.ts';
import { FEATURE } from './structs.ts';
import { QedWriter } from './writer.ts';

export function* openQed(context: OpenContext): Step<QedImage> {
  const { storage, limits } = context;
  refuseSnapshot(context, 'qed', 'A QED image');
  const head = yield* readBytes(storage, 0, HEADER_BYTES);
  const header = parseHeader(head, storage.sizeBytes, limits);
  const state = yield* HeaderState.open(storage, header);
  if (context.writable) return yield* openWritable(context, writableStorage(storage, 'qed'), state);
  if (hasAnyBit(header.features, FEATURE.needCheck)) {
    context.warn({
      detail: 'qed.need-check',
      message: 'The image was not closed properly: what was written last may be lost',
    });
  }
  return new QedImage(state, openTable(storage, header, limits), undefined);
}

function* openWritable(
  { limits, hasBelow }: OpenContext,
  storage: WritableStorage,
  state: HeaderState,
): Step<QedImage> {
  const { features, autoclearFeatures } = state.header;
  // What they stand for is not kept up to date.
  if (autoclearFeatures.some((half) => half !== 0)) {
    yield* state.change(storage, { autoclearFeatures: [0, 0] });
  }
  const isDirty = hasAnyBit(features, FEATURE.needCheck);
  const found = isDirty
    ? yield* mendAfterCrash(storage, state, limits)
    : yield* Inspection.run(storage, state.header, { limits, mend: undefined });
  // A new cluster would be what a wrong entry names, and a write to one cluster change another.
  if (found.corruptions > 0) throw damaged(found);
  const table = openWritableTable(storage, state.header, limits);
  return new QedImage(state, table, new QedWriter({ storage, state, table, hasBelow }));
}

function damaged({ firstCorruption, corruptions }: Inspection): DiskError {
  const { message, hostOffset } = firstCorruption!;
  const more = corruptions === 1 ? '' : `, the first of ${corruptions} errors`;
  return corrupt('qed.damaged', `${message}${more}`, hostOffset!);
}
