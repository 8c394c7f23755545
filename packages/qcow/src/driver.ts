/** Recognises, opens and creates images of qcow version 1. */
import { DiskError, readU32be } from '@diskfile/bytes';
import {
  CompressedClusters,
  type FormatDriver,
  isWritable,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
  type Storage,
  type WritableStorage,
} from '@diskfile/core';
import { openTable, WritableQcowTable } from './cluster-table.ts';
import { createQcow } from './create.ts';
import { HeaderState } from './header-state.ts';
import { parseQcowHeader, QCOW_HEADER_BYTES } from './header.ts';
import { encrypted, QcowImage } from './image.ts';
import { inspect } from './inspection.ts';
import { QCOW_MAGIC } from './structs.ts';
import { QcowWriter } from './writer.ts';

export const qcowDriver: FormatDriver = {
  id: 'qcow',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'write' },
  probe: ({ head }) =>
    head.length >= 8 && readU32be(head, 0) === QCOW_MAGIC && readU32be(head, 4) === 1
      ? 'yes'
      : 'no',
  open: openQcow,
  create: createQcow,
};

function* openQcow(context: OpenContext): Step<QcowImage> {
  const { storage, limits } = context;
  refuseSnapshot(context, 'qcow', 'A qcow image of version 1');
  const head = yield* readBytes(storage, 0, QCOW_HEADER_BYTES);
  const header = parseQcowHeader(head, storage.sizeBytes, limits);
  const state = yield* HeaderState.open(storage, header);
  const { clusterBytes } = header;
  const compressed = new CompressedClusters(storage, clusterBytes, context.decoders, 'deflate-raw');
  if (context.writable) {
    return yield* openWritable(context, writableOf(storage), state, compressed);
  }
  const table = openTable(storage, header, limits);
  return new QcowImage({ state, table, compressed, writer: undefined });
}

function* openWritable(
  { limits }: OpenContext,
  storage: WritableStorage,
  state: HeaderState,
  compressed: CompressedClusters,
): Step<QcowImage> {
  const { header } = state;
  if (header.encryption !== undefined) throw encrypted();
  yield* inspect(storage, header, limits);
  const table = new WritableQcowTable(storage, header, limits);
  const writer = new QcowWriter({ storage, state, table });
  return new QcowImage({ state, table, compressed, writer });
}

function writableOf(storage: Storage): WritableStorage {
  if (isWritable(storage)) return storage;
  throw new DiskError('unsupported', 'qcow.storage-read-only', 'The storage can only be read', {
    hint: 'Open the image read-only.',
  });
}
