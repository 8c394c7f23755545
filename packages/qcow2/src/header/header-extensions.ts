/** The header extensions (specification, "Header extensions"). */
import { alignUp, decodeName } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt } from '../errors.ts';
import { FeatureNames } from './features.ts';
import type { EncryptionMethod, Qcow2Header } from './header.ts';
import { encryptionHeaderPointer, extensionHeader } from '../structs.ts';

export const EXTENSION_TYPE = {
  end: 0,
  backingFormat: 0xe279_2aca,
  featureNames: 0x6803_f857,
  bitmaps: 0x2385_2875,
  encryptionHeader: 0x0537_be77,
  dataFileName: 0x4441_5441,
} as const;

/** QEMU's own bound on the name of a format. */
export const MAX_FORMAT_NAME_BYTES = 15;
/** Read at first; nearly all headers end within. */
const FIRST_READ_BYTES = 4096;

export interface UnknownExtension {
  readonly type: number;
  readonly lengthBytes: number;
}

/** Host range of the LUKS header within the image file. */
export interface EncryptionHeaderPointer {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface HeaderExtensions {
  readonly backingFormat: string | undefined;
  readonly featureNames: FeatureNames;
  /** Undecoded: a damaged one must not keep the disk from being read. */
  readonly bitmaps: Uint8Array | undefined;
  readonly encryptionHeader: EncryptionHeaderPointer | undefined;
  readonly dataFileName: string | undefined;
  readonly unknown: readonly UnknownExtension[];
}

export interface RawExtension {
  readonly type: number;
  /** Offset of the data within the image file. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Reads all extensions, to their end mark or to where the backing name or the cluster ends. */
export function* readHeaderExtensions(
  storage: Storage,
  header: Qcow2Header,
): Step<HeaderExtensions> {
  const { extensionsEnd, clusterBytes } = header;
  let area = yield* readBytes(storage, 0, Math.min(FIRST_READ_BYTES, clusterBytes));
  let list = splitExtensions(area, header.headerLengthBytes, extensionsEnd);
  if (list === undefined) {
    area = yield* readBytes(storage, 0, clusterBytes);
    list = splitExtensions(area, header.headerLengthBytes, extensionsEnd);
  }
  return decodeExtensions(list!, header.encryption);
}

/** The extensions between `start` and `end`; undefined when the list goes on beyond `area`. */
export function splitExtensions(
  area: Uint8Array,
  start: number,
  end: number,
): RawExtension[] | undefined {
  const list: RawExtension[] = [];
  for (let at = start; at < end;) {
    const offset = at + extensionHeader.spanBytes;
    if (offset > end) throw tooLong(at);
    if (offset > area.length) return undefined;
    const { type, length } = extensionHeader.decode(area, at);
    if (length > end - offset) throw tooLong(at);
    if (type === EXTENSION_TYPE.end) break;
    if (offset + length > area.length) return undefined;
    list.push({ type, offset, data: area.subarray(offset, offset + length) });
    at = offset + alignUp(length, 8);
  }
  return list;
}

function tooLong(offset: number): Error {
  return corrupt('qcow2.header-extension-length', 'A header extension leaves the header cluster', {
    offset,
  });
}

export function decodeExtensions(
  list: readonly RawExtension[],
  encryption: EncryptionMethod | undefined,
): HeaderExtensions {
  const found = new Map(list.map((extension) => [extension.type, extension]));
  const names = found.get(EXTENSION_TYPE.featureNames);
  const dataFile = found.get(EXTENSION_TYPE.dataFileName);
  const known = new Set<number>(Object.values(EXTENSION_TYPE));
  return {
    backingFormat: decodeBackingFormat(found.get(EXTENSION_TYPE.backingFormat)),
    featureNames: FeatureNames.decode(names?.data ?? new Uint8Array(0)),
    bitmaps: found.get(EXTENSION_TYPE.bitmaps)?.data.slice(),
    encryptionHeader: decodeEncryptionHeader(
      found.get(EXTENSION_TYPE.encryptionHeader),
      encryption,
    ),
    dataFileName: dataFile && decodeName(dataFile.data),
    unknown: list
      .filter(({ type }) => !known.has(type))
      .map(({ type, data }) => ({ type, lengthBytes: data.length })),
  };
}

function decodeBackingFormat(extension: RawExtension | undefined): string | undefined {
  if (extension === undefined || extension.data.length === 0) return undefined;
  if (extension.data.length <= MAX_FORMAT_NAME_BYTES) return decodeName(extension.data);
  throw corrupt(
    'qcow2.backing-format-length',
    `The name of the backing format takes ${extension.data.length} bytes`,
    { offset: extension.offset - 4 },
  );
}

function decodeEncryptionHeader(
  extension: RawExtension | undefined,
  encryption: EncryptionMethod | undefined,
): EncryptionHeaderPointer | undefined {
  if (extension === undefined) return undefined;
  const { data, offset } = extension;
  if (encryption !== 'luks' || data.length !== encryptionHeaderPointer.spanBytes) {
    throw corrupt(
      'qcow2.encryption-header',
      encryption === 'luks'
        ? 'The pointer to the LUKS header has the wrong length'
        : 'There is a pointer to a LUKS header in an image that LUKS does not encrypt',
      { offset },
    );
  }
  const pointer = encryptionHeaderPointer.decode(data);
  return { offset: pointer.offset, lengthBytes: pointer.length };
}
