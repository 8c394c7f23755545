/** The header cluster of a new image, laid out as QEMU lays it out. */
import { alignUp, DiskError, encodeName } from '@diskfile/bytes';
import type { ImageLayout } from './create-options.ts';
import {
  AUTOCLEAR,
  COMPATIBLE,
  encodeFeatureNames,
  featureWord,
  INCOMPATIBLE,
} from './features.ts';
import { EXTENSION_TYPE } from './header-extensions.ts';
import { extensionHeader, headerV2, headerV3, QCOW_MAGIC } from './structs.ts';

/** Fields of version 3 and the compression type, padded. */
const V3_HEADER_BYTES = 112;
const COMPRESSION_TYPE_AT = headerV2.spanBytes + headerV3.spanBytes;
/** Small headers do without the feature names, so that other things find room. */
const FEATURE_NAMES_ABOVE_CLUSTER_BYTES = 4096;

/** Where the tables of the new image lie. */
export interface TablePlaces {
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
}

interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** @throws DiskError `invalid-argument` when the names do not fit in one cluster */
export function encodeHeader(layout: ImageLayout, places: TablePlaces): Uint8Array {
  const { version, clusterBytes, backing } = layout;
  const headerBytes = version === 2 ? headerV2.spanBytes : V3_HEADER_BYTES;
  const backingName = backing === undefined ? new Uint8Array(0) : encodeName(backing.name);
  const extensions = extensionsOf(layout);
  const extensionsBytes = extensions.reduce(
    (sum, { data }) => sum + extensionHeader.spanBytes + alignUp(data.length, 8),
    extensionHeader.spanBytes,
  );
  const backingOffset = headerBytes + extensionsBytes;
  if (backingOffset + backingName.length > clusterBytes) throw namesTooLong(clusterBytes);

  const header = new Uint8Array(clusterBytes);
  headerV2.encode(
    {
      magic: QCOW_MAGIC,
      version,
      backing_file_offset: backing === undefined ? 0 : backingOffset,
      backing_file_size: backingName.length,
      cluster_bits: Math.log2(clusterBytes),
      size: layout.sizeBytes,
      crypt_method: 0,
      l1_size: layout.l1Entries,
      l1_table_offset: places.l1Offset,
      refcount_table_offset: places.refcountTableOffset,
      refcount_table_clusters: places.refcountTableClusters,
      nb_snapshots: 0,
      snapshots_offset_high: 0,
      snapshots_offset_low: 0,
    },
    header,
  );
  if (version === 3) encodeVersion3(layout, header);
  let at = headerBytes;
  for (const { type, data } of extensions) {
    extensionHeader.encode({ type, length: data.length }, header, at);
    header.set(data, at + extensionHeader.spanBytes);
    at += extensionHeader.spanBytes + alignUp(data.length, 8);
  }
  header.set(backingName, backingOffset);
  return header;
}

function encodeVersion3(layout: ImageLayout, header: Uint8Array): void {
  const { dataFileName, compressionType, extendedL2, lazyRefcounts, dataFileRaw } = layout;
  const incompatible = bits([
    [INCOMPATIBLE.externalDataFile, dataFileName !== undefined],
    [INCOMPATIBLE.compressionType, compressionType !== 'zlib'],
    [INCOMPATIBLE.extendedL2, extendedL2],
  ]);
  const fields = {
    incompatible_features_high: 0,
    incompatible_features_low: featureWord(incompatible, 0),
    compatible_features_high: 0,
    compatible_features_low: featureWord(bits([[COMPATIBLE.lazyRefcounts, lazyRefcounts]]), 0),
    autoclear_features_high: 0,
    autoclear_features_low: featureWord(bits([[AUTOCLEAR.rawExternalData, dataFileRaw]]), 0),
    refcount_order: Math.log2(layout.refcountBits),
    header_length: V3_HEADER_BYTES,
  };
  headerV3.encode(fields, header, headerV2.spanBytes);
  header[COMPRESSION_TYPE_AT] = compressionType === 'zlib' ? 0 : 1;
}

function bits(features: readonly (readonly [bit: number, on: boolean])[]): ReadonlySet<number> {
  return new Set(features.filter(([, on]) => on).map(([bit]) => bit));
}

function extensionsOf({ version, backing, dataFileName, clusterBytes }: ImageLayout): Extension[] {
  const list: Extension[] = [];
  if (backing?.format !== undefined) {
    list.push({ type: EXTENSION_TYPE.backingFormat, data: encodeName(backing.format) });
  }
  if (dataFileName !== undefined) {
    list.push({ type: EXTENSION_TYPE.dataFileName, data: encodeName(dataFileName) });
  }
  if (version === 3 && clusterBytes > FEATURE_NAMES_ABOVE_CLUSTER_BYTES) {
    list.push({ type: EXTENSION_TYPE.featureNames, data: encodeFeatureNames() });
  }
  return list;
}

function namesTooLong(clusterBytes: number): DiskError {
  return new DiskError(
    'invalid-argument',
    'qcow2.create.names-too-long',
    `The names of backing and data file do not fit into a header of ${clusterBytes} bytes`,
    { op: 'create', format: 'qcow2', hint: 'Choose a larger cluster_size, or shorter names.' },
  );
}
