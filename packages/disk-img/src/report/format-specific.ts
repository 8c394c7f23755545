/** What only some formats say of their images, under QEMU's names. */
import type { ImageInfo } from 'diskfile';
import type { JsonValue } from './json.ts';

export interface FormatSpecific {
  readonly [name: string]: JsonValue;
  readonly type: string;
  readonly data: JsonValue;
}

/** Undefined where qemu-img has nothing to say of a format. */
export function formatSpecific(info: ImageInfo): FormatSpecific | undefined {
  if (info.format === 'qcow2') return { type: 'qcow2', data: qcow2Data(info) };
  if (info.format === 'vmdk') return { type: 'vmdk', data: vmdkData(info) };
  return undefined;
}

function qcow2Data({ details, bitmaps }: ImageInfo): JsonValue {
  const isNew = details['compat'] !== '0.10';
  return {
    compat: details['compat'] as string,
    'compression-type': details['compressionType'] as string,
    'refcount-bits': details['refcountBits'] as number,
    ...(isNew ? newerQcow2Data(details) : {}),
    bitmaps: bitmaps.length === 0 ? undefined : bitmaps.map(bitmapData),
  };
}

function newerQcow2Data(details: ImageInfo['details']): { [name: string]: JsonValue | undefined } {
  const dataFile = details['dataFile'] as string | undefined;
  return {
    'lazy-refcounts': details['lazyRefcounts'] as boolean,
    corrupt: details['corrupt'] as boolean,
    'extended-l2': details['extendedL2'] as boolean,
    'data-file': dataFile,
    'data-file-raw': dataFile === undefined ? undefined : (details['dataFileRaw'] as boolean),
  };
}

function bitmapData({ name, granularityBytes, flags }: ImageInfo['bitmaps'][number]): JsonValue {
  return { name, granularity: granularityBytes, flags: [...flags] };
}

interface VmdkExtent {
  readonly type: string;
  readonly sizeBytes: number;
  readonly filename: string;
}

function vmdkData({ details, clusterBytes }: ImageInfo): JsonValue {
  const extents = details['extents'] as readonly VmdkExtent[];
  const createType = details['createType'] as string;
  const isSingle = createType === 'monolithicSparse' || createType === 'streamOptimized';
  return {
    'create-type': createType,
    cid: Number.parseInt(details['cid'] as string, 16),
    'parent-cid': Number.parseInt((details['parentCid'] as string | undefined) ?? 'ffffffff', 16),
    extents: extents.map(({ type, sizeBytes, filename }) => ({
      filename,
      // An extent that is its own descriptor has no need to say what it is.
      format: isSingle ? '' : type,
      'virtual-size': sizeBytes,
      'cluster-size': type === 'FLAT' ? undefined : clusterBytes,
      compressed: createType === 'streamOptimized' ? true : undefined,
    })),
  };
}
