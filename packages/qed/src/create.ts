/** Creating QED images, byte for byte as `qemu-img create -f qed` does. */
import { alignUp, encodeName } from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  parseByteCount,
  quote,
  type Step,
  truncateStorage,
  writeBytes,
} from '@diskfile/core';
import { checkBackingName } from './backing-name.ts';
import { refused } from './errors.ts';
import { featuresFor } from './header-state.ts';
import {
  encodeHeader,
  HEADER_BYTES,
  isClusterSize,
  isTableSize,
  MAX_CLUSTER_BYTES,
  MAX_TABLE_CLUSTERS,
  maxDiskBytes,
  MIN_CLUSTER_BYTES,
  type QedHeader,
  tableBytes,
  type TableGeometry,
} from './header.ts';

const SECTOR_BYTES = 512;
const DEFAULTS = { cluster_size: 64 * 1024, table_size: 4 };

export function* createQed({ storage, sizeBytes, options, backing }: CreateContext): Step<void> {
  const geometry = parseGeometry(options);
  checkSize(sizeBytes, geometry);
  if (backing !== undefined) checkBackingName(backing);
  const name = encodeName(backing?.name ?? '');
  const header: QedHeader = {
    ...geometry,
    headerClusters: 1,
    features: backing === undefined ? 0 : featuresFor(0, backing),
    compatFeatures: [0, 0],
    autoclearFeatures: [0, 0],
    l1Offset: geometry.clusterBytes,
    sizeBytes: alignUp(sizeBytes, SECTOR_BYTES),
    backingName:
      backing === undefined ? undefined : { offset: HEADER_BYTES, lengthBytes: name.length },
  };
  // The L1 table is zeros. The header comes last: until then the file is no image.
  yield* truncateStorage(storage, header.l1Offset + tableBytes(header));
  yield* writeBytes(storage, name, HEADER_BYTES);
  yield* writeBytes(storage, encodeHeader(header), 0);
  yield* flushStorage(storage);
}

function parseGeometry(options: CreateContext['options']): TableGeometry {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      const message = `QED images have no option ${quote(name)}`;
      throw invalid('qed.option', message, `Known options: ${Object.keys(DEFAULTS).join(', ')}.`);
    }
  }
  const { cluster_size, table_size } = { ...DEFAULTS, ...options };
  const clusterBytes = parseByteCount(cluster_size) ?? 0;
  const tableClusters = parseByteCount(table_size) ?? 0;
  if (!isClusterSize(clusterBytes)) {
    const range = `[${MIN_CLUSTER_BYTES}, ${MAX_CLUSTER_BYTES}]`;
    throw invalid(
      'qed.cluster-size',
      `QED cluster size must be within range ${range} and power of 2`,
    );
  }
  if (!isTableSize(tableClusters)) {
    throw invalid(
      'qed.table-size',
      `QED table size must be within range [1, ${MAX_TABLE_CLUSTERS}] and power of 2`,
    );
  }
  return { clusterBytes, tableClusters };
}

function checkSize(sizeBytes: number, geometry: TableGeometry): void {
  const mostBytes = maxDiskBytes(geometry);
  // QEMU counts in 64 bits, and so no disk at all has tables that could map more.
  const maxBytes = mostBytes >= 2 ** 64 ? 0 : mostBytes;
  if (sizeBytes <= maxBytes) return;
  throw invalid(
    'qed.image-size',
    `QED image size must be a non-zero multiple of cluster size and less than ${maxBytes} bytes`,
    'Choose larger clusters or larger tables.',
  );
}

function invalid(detail: string, message: string, hint?: string) {
  return refused('invalid-argument', detail, message, hint);
}
