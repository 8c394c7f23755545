/** What only some formats say of their images, under QEMU's names. */
import type { ImageInfo } from 'diskfile';
import { type JsonValue, orderedMembers } from './json.ts';

export interface FormatSpecific {
  readonly [name: string]: JsonValue;
  readonly type: string;
  readonly data: JsonValue;
}

/** Undefined where QEMU has nothing to say of a format. */
export function formatSpecific(info: ImageInfo): FormatSpecific | undefined {
  if (info.format === 'qcow2') return { type: 'qcow2', data: qcow2Data(info) };
  if (info.format === 'vmdk') return { type: 'vmdk', data: vmdkData(info) };
  if (info.format === 'ova') return { type: 'ova', data: ovaData(info.details) };
  if (info.format === 'luks') return { type: 'luks', data: luksData(info.details) };
  return undefined;
}

/** The same for people, with the line above it; empty where there is nothing to say. */
export function formatSpecificText(info: ImageInfo): string {
  const specific = formatSpecific(info);
  if (specific === undefined) return '';
  return `Format specific information:\n${indented(specific.data, 1)}`;
}

/** Nested values, one a line; dashes in names become spaces. */
function indented(value: JsonValue, depth: number): string {
  const indent = ' '.repeat(4 * depth);
  const members: [string, JsonValue][] = Array.isArray(value)
    ? value.map((each: JsonValue, index) => [`[${index}]`, each])
    : orderedMembers(value as Readonly<Record<string, JsonValue | undefined>>);
  return members
    .map(([name, each]) => {
      const title = `${indent}${Array.isArray(value) ? name : name.replaceAll('-', ' ')}:`;
      return typeof each === 'object' && each !== null
        ? `${title}\n${indented(each, depth + 1)}`
        : `${title} ${String(each)}\n`;
    })
    .join('');
}

function qcow2Data({ details, bitmaps }: ImageInfo): JsonValue {
  const isNew = details['compat'] !== '0.10';
  return {
    compat: details['compat'] as string,
    'compression-type': details['compressionType'] as string,
    'refcount-bits': details['refcountBits'] as number,
    ...(isNew ? newerQcow2Data(details) : {}),
    encrypt: encryptionData(details['encryption'] as LuksDetails | undefined),
    bitmaps: bitmaps.length === 0 ? undefined : bitmaps.map(bitmapData),
  };
}

function newerQcow2Data(details: ImageInfo['details']): { [name: string]: JsonValue | undefined } {
  const { incompatible } = details['features'] as { readonly incompatible: readonly string[] };
  const isExternal = incompatible.includes('external data file');
  return {
    'lazy-refcounts': details['lazyRefcounts'] as boolean,
    corrupt: details['corrupt'] as boolean,
    'extended-l2': details['extendedL2'] as boolean,
    'data-file': details['dataFile'] as string | undefined,
    'data-file-raw': isExternal ? (details['dataFileRaw'] as boolean) : undefined,
  };
}

/** Not a format of QEMU's. */
function ovaData(details: ImageInfo['details']): JsonValue {
  const disks = details['disks'] as readonly {
    readonly name: string;
    readonly file: string;
    readonly virtualSizeBytes?: number;
  }[];
  return {
    disk: details['disk'] as string,
    disks: disks.map(({ name, file, virtualSizeBytes }) => ({
      name,
      file,
      'virtual-size': virtualSizeBytes,
    })),
  };
}

function bitmapData({ name, granularityBytes, flags }: ImageInfo['bitmaps'][number]): JsonValue {
  return { name, granularity: granularityBytes, flags: [...flags] };
}

/** What the library tells of a LUKS header; of the older encryption, only the method. */
interface LuksDetails {
  readonly method?: string;
  readonly ivGenerator?: string;
  readonly ivGeneratorHash?: string;
  readonly hash?: string;
  readonly cipher?: string;
  readonly cipherMode?: string;
  readonly uuid?: string;
  readonly slots?: readonly {
    readonly active: boolean;
    readonly iterations?: number;
    readonly keyOffset: number;
    readonly stripes?: number;
  }[];
  readonly payloadOffset?: number;
  readonly masterKeyIterations?: number;
}

function encryptionData(details: LuksDetails | undefined): JsonValue | undefined {
  if (details === undefined) return undefined;
  return { ...luksData(details), format: details.method };
}

function luksData(details: LuksDetails): { readonly [name: string]: JsonValue | undefined } {
  return {
    'cipher-alg': details.cipher,
    'cipher-mode': details.cipherMode,
    'ivgen-alg': details.ivGenerator,
    'ivgen-hash-alg': details.ivGeneratorHash,
    'hash-alg': details.hash,
    uuid: details.uuid,
    'payload-offset': details.payloadOffset,
    'master-key-iters': details.masterKeyIterations,
    slots: details.slots?.map(({ active, iterations, keyOffset, stripes }) => ({
      active,
      iters: iterations,
      stripes,
      'key-offset': keyOffset,
    })),
  };
}

interface VmdkExtent {
  readonly type: string;
  readonly sizeBytes: number;
  /** Undefined for one that is the image. */
  readonly filename: string | undefined;
  readonly grainBytes: number;
}

/** A file that the image at `path` names, seen from where that path is. */
function beside(path: string, filename: string): string {
  return filename.startsWith('/') ? filename : path.slice(0, path.lastIndexOf('/') + 1) + filename;
}

function vmdkData({ details, path }: ImageInfo): JsonValue {
  const extents = details['extents'] as readonly VmdkExtent[];
  const createType = details['createType'] as string;
  const isSingle = createType === 'monolithicSparse' || createType === 'streamOptimized';
  return {
    'create-type': createType,
    cid: Number.parseInt(details['cid'] as string, 16),
    'parent-cid': Number.parseInt((details['parentCid'] as string | undefined) ?? 'ffffffff', 16),
    extents: extents.map(({ type, sizeBytes, filename, grainBytes }) => ({
      filename: isSingle || filename === undefined ? path : beside(path, filename),
      // An extent that is its own descriptor has no need to say what it is.
      format: isSingle ? '' : type,
      'virtual-size': sizeBytes,
      'cluster-size': grainBytes === 1 ? undefined : grainBytes,
      compressed: createType === 'streamOptimized' ? true : undefined,
    })),
  };
}
