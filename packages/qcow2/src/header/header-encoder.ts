/** The header cluster of a new image, laid out as QEMU lays it out. */
import { encodeName } from '@diskfile/bytes';
import type { ImageLayout } from '../create/create-options.ts';
import {
  AUTOCLEAR,
  COMPATIBLE,
  encodeFeatureNames,
  featureWord,
  INCOMPATIBLE,
} from './features.ts';
import {
  extensionsEndOf,
  type HeaderContent,
  type HeaderExtension,
  layOutHeader,
} from './header-content.ts';
import { EXTENSION_TYPE } from './header-extensions.ts';
import { FEATURE_NAMES_ABOVE_CLUSTER_BYTES, namesTooLong } from './header-forms.ts';
import { QCOW_MAGIC } from '../structs.ts';

/** Where the tables of the new image lie. */
export interface TablePlaces {
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** The header extension that tells where the LUKS header is. */
  readonly luksPointer?: Uint8Array;
}

/** @throws DiskError `invalid-argument` when the names do not fit in one cluster */
export function encodeHeader(layout: ImageLayout, places: TablePlaces): Uint8Array {
  const { version, clusterBytes, backing } = layout;
  const content: HeaderContent = {
    fields: {
      magic: QCOW_MAGIC,
      version,
      cluster_bits: Math.log2(clusterBytes),
      size: layout.sizeBytes,
      crypt_method: cryptMethod(layout),
      l1_size: layout.l1Entries,
      l1_table_offset: places.l1Offset,
      refcount_table_offset: places.refcountTableOffset,
      refcount_table_clusters: places.refcountTableClusters,
      nb_snapshots: 0,
      snapshots_offset_high: 0,
      snapshots_offset_low: 0,
    },
    versionFields: version === 2 ? undefined : versionFieldsOf(layout),
    moreFields: version === 2 ? new Uint8Array(0) : compressionField(layout.compressionType),
    extensions: extensionsOf(layout, places),
    backingName: backing === undefined ? undefined : encodeName(backing.name),
  };
  const { bytes } = layOutHeader(content, extensionsEndOf(content));
  if (bytes.length > clusterBytes) throw namesTooLong(clusterBytes, 'qcow2.create.names-too-long');
  const header = new Uint8Array(clusterBytes);
  header.set(bytes);
  return header;
}

/** Specification, "Header": `crypt_method`. */
function cryptMethod({ encryption }: ImageLayout): number {
  if (encryption === undefined) return 0;
  return encryption.luks === undefined ? 1 : 2;
}

function versionFieldsOf(layout: ImageLayout): HeaderContent['versionFields'] {
  const { dataFileName, compressionType, extendedL2, lazyRefcounts, dataFileRaw } = layout;
  const incompatible = bits([
    [INCOMPATIBLE.externalDataFile, dataFileName !== undefined],
    [INCOMPATIBLE.compressionType, compressionType !== 'zlib'],
    [INCOMPATIBLE.extendedL2, extendedL2],
  ]);
  return {
    incompatible_features_high: 0,
    incompatible_features_low: featureWord(incompatible, 0),
    compatible_features_high: 0,
    compatible_features_low: featureWord(bits([[COMPATIBLE.lazyRefcounts, lazyRefcounts]]), 0),
    autoclear_features_high: 0,
    autoclear_features_low: featureWord(bits([[AUTOCLEAR.rawExternalData, dataFileRaw]]), 0),
    refcount_order: Math.log2(layout.refcountBits),
  };
}

/** The compression type, padded to what QEMU writes. */
export function compressionField(type: ImageLayout['compressionType']): Uint8Array {
  return Uint8Array.from([type === 'zlib' ? 0 : 1, 0, 0, 0, 0, 0, 0, 0]);
}

function bits(features: readonly (readonly [bit: number, on: boolean])[]): ReadonlySet<number> {
  return new Set(features.filter(([, on]) => on).map(([bit]) => bit));
}

function extensionsOf(
  { version, backing, dataFileName, clusterBytes }: ImageLayout,
  { luksPointer }: TablePlaces,
): HeaderExtension[] {
  const list: HeaderExtension[] = [];
  if (backing?.format !== undefined) {
    list.push({ type: EXTENSION_TYPE.backingFormat, data: encodeName(backing.format) });
  }
  if (dataFileName !== undefined) {
    list.push({ type: EXTENSION_TYPE.dataFileName, data: encodeName(dataFileName) });
  }
  if (luksPointer !== undefined) {
    list.push({ type: EXTENSION_TYPE.encryptionHeader, data: luksPointer });
  }
  if (version === 3 && clusterBytes > FEATURE_NAMES_ABOVE_CLUSTER_BYTES) {
    list.push({ type: EXTENSION_TYPE.featureNames, data: encodeFeatureNames() });
  }
  return list;
}
