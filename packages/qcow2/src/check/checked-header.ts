/** The header of an image that is to be checked: what keeps it from being opened may be mended. */
import { readU32be, writeU32be } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { refuseUnknownFeatures } from '../header/features.ts';
import { type HeaderExtensions, readHeaderExtensions } from '../header/header-extensions.ts';
import { HEADER_FIELDS_BYTES, parseHeader, type Qcow2Header } from '../header/header.ts';
import { headerV2 } from '../structs.ts';

const TWO_32 = 0x1_0000_0000;

export interface CheckedHeader {
  /** Without snapshots, and perhaps without a refcount table. */
  readonly header: Qcow2Header;
  readonly extensions: HeaderExtensions;
  /** As the header has them. */
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
}

/** @throws DiskError `corrupt` or `unsupported` for a header that says too little to go on */
export function* readCheckedHeader(storage: Storage): Step<CheckedHeader> {
  const head = yield* readBytes(storage, 0, HEADER_FIELDS_BYTES);
  const at = (field: Parameters<typeof headerV2.offsetOf>[0]) => headerV2.offsetOf(field);
  const snapshotCount = readU32be(head, at('nb_snapshots'));
  const high = readU32be(head, at('snapshots_offset_high'));
  const low = readU32be(head, at('snapshots_offset_low'));
  const refcountTableClusters = readU32be(head, at('refcount_table_clusters'));
  // Parsed without what can be mended.
  writeU32be(head, at('nb_snapshots'), 0);
  writeU32be(head, at('snapshots_offset_high'), 0);
  writeU32be(head, at('snapshots_offset_low'), 0);
  if (refcountTableClusters === 0) writeU32be(head, at('refcount_table_clusters'), 1);
  const parsed = parseHeader(head);
  const refcountTable = { ...parsed.refcountTable };
  if (refcountTableClusters === 0) refcountTable.clusters = 0;
  const header: Qcow2Header = { ...parsed, refcountTable };
  const extensions = yield* readHeaderExtensions(storage, header);
  refuseUnknownFeatures(header.features, extensions.featureNames);
  return { header, extensions, snapshotCount, snapshotsOffset: high * TWO_32 + low };
}
