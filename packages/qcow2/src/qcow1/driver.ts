/** Recognises and opens images of qcow version 1. */
import { decodeName, DiskError, readU32be } from '@diskfile/bytes';
import {
  type BackingReference,
  type FormatDetails,
  type FormatDriver,
  type OpenContext,
  quote,
  readBytes,
  type Step,
} from '@diskfile/core';
import { CompressedClusters } from '../compressed-clusters.ts';
import { QcowImage } from '../image.ts';
import { L1Table } from '../l1-table.ts';
import { MappingTables } from '../mapping-tables.ts';
import { QCOW_MAGIC } from '../structs.ts';
import { QcowEntries } from './entries.ts';
import { parseQcowHeader, QCOW_HEADER_BYTES, type QcowHeader } from './header.ts';

/** Version 1 has no bits besides the offset in its L1 entries. */
const WHOLE_ENTRY = { high: 0xffff_ffff, low: 0xffff_ffff };

export interface QcowDetails extends FormatDetails {
  readonly l2TableBytes: number;
  readonly encryption?: { readonly method: 'aes' };
}

export const qcowDriver: FormatDriver = {
  id: 'qcow',
  aliases: [],
  abilities: { write: false, backing: 'read', compressed: 'read' },
  probe: ({ head }) =>
    head.length >= 8 && readU32be(head, 0) === QCOW_MAGIC && readU32be(head, 4) === 1
      ? 'yes'
      : 'no',
  open: openQcow,
};

function* openQcow(context: OpenContext): Step<QcowImage> {
  const { storage, limits } = context;
  if (context.snapshot !== undefined) {
    throw new DiskError(
      'not-found',
      'qcow.no-snapshots',
      `qcow version 1 has no snapshots, so none called ${quote(context.snapshot)}`,
      { hint: 'Open the image without a snapshot.' },
    );
  }
  const head = yield* readBytes(storage, 0, QCOW_HEADER_BYTES);
  const header = parseQcowHeader(head, storage.sizeBytes, limits);
  const { clusterBytes, l2TableBytes, encryption } = header;
  const l1 = yield* L1Table.read(storage, header.l1TableOffset, header.l1Entries, WHOLE_ENTRY);
  const compressed = new CompressedClusters(storage, clusterBytes, context.decoders, 'deflate-raw');
  const geometry = { clusterBytes, l2EntryBytes: 8, l2TableBytes, l2TableAlignment: 1 };
  const details: QcowDetails = {
    l2TableBytes,
    ...(encryption === undefined ? {} : { encryption: { method: encryption } }),
  };
  return new QcowImage({
    format: 'qcow',
    clusterBytes,
    dataMayBeSparse: false,
    storages: [storage],
    tables: new MappingTables(storage, l1, geometry, limits.metadataCacheBytes),
    entries: new QcowEntries(header, storage, compressed),
    compressed,
    state: {
      sizeBytes: header.sizeBytes,
      backing: yield* readBacking(context, header),
      snapshots: undefined,
      bitmaps: undefined,
      details,
    },
  });
}

function* readBacking(
  { storage }: OpenContext,
  { backingName }: QcowHeader,
): Step<BackingReference | undefined> {
  if (backingName === undefined) return undefined;
  const name = yield* readBytes(storage, backingName.offset, backingName.lengthBytes);
  return { name: decodeName(name), format: undefined };
}
