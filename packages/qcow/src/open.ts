/** Opens images of qcow version 1. */
import {
  CompressedClusters,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type WritableStorage,
  writableStorage,
} from '@diskfile/core';
import { openTable, WritableQcowTable } from './cluster-table.ts';
import { HeaderState } from './header-state.ts';
import { parseQcowHeader, QCOW_HEADER_BYTES } from './header.ts';
import { locked, openEncryption, type QcowEncryption } from './encryption.ts';
import { QcowImage } from './image.ts';
import { inspect } from './inspection.ts';
import { QcowWriter } from './writer.ts';

export function* openQcow(context: OpenContext): Step<QcowImage> {
  const { storage, limits } = context;
  refuseSnapshot(context, 'qcow', 'A qcow image of version 1');
  const head = yield* readBytes(storage, 0, QCOW_HEADER_BYTES);
  const header = parseQcowHeader(head, storage.sizeBytes, limits);
  const state = yield* HeaderState.open(storage, header);
  const { clusterBytes } = header;
  const compressed = new CompressedClusters(storage, clusterBytes, context.decoders, 'deflate-raw');
  const encryption = yield* openEncryption(context, header, storage);
  if (context.writable) {
    return yield* openWritable(context, writableStorage(storage, 'qcow'), {
      state,
      compressed,
      encryption,
    });
  }
  const table = openTable(storage, header, limits);
  return new QcowImage({ state, table, compressed, encryption, writer: undefined });
}

interface OpenedParts {
  readonly state: HeaderState;
  readonly compressed: CompressedClusters;
  readonly encryption: QcowEncryption | undefined;
}

function* openWritable(
  { limits, hasBelow }: OpenContext,
  storage: WritableStorage,
  { state, compressed, encryption }: OpenedParts,
): Step<QcowImage> {
  const { header } = state;
  if (encryption?.isLocked === true) throw locked();
  yield* inspect(storage, header, limits);
  const table = new WritableQcowTable(storage, header, limits);
  const writer = new QcowWriter({ storage, state, table, encryption, hasBelow });
  return new QcowImage({ state, table, compressed, encryption, writer });
}
