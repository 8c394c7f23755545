/** The metadata of a VHDX disk ([MS-VHDX] 2.6): its size, its geometry, its parent. */
import { decodeUtf16le, formatGuid, hasAnyBit, readU32le, readU64le } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, unsupported } from './refusals.ts';
import type { Region } from './regions.ts';
import {
  FILE_PARAMETER,
  ITEM,
  METADATA_FLAG,
  METADATA_TABLE_BYTES,
  metadataTableEntry,
  metadataTableHeader,
  MIB,
  parentLocatorEntry,
  parentLocatorHeader,
  VHDX_LOCATOR,
} from './structs.ts';

export interface VhdxMetadata {
  readonly blockBytes: number;
  readonly leaveBlocksAllocated: boolean;
  readonly hasParent: boolean;
  readonly sizeBytes: number;
  readonly diskId: string;
  readonly logicalSectorBytes: 512 | 4096;
  readonly physicalSectorBytes: 512 | 4096;
  /** Keys and values of the parent locator. */
  readonly parent: ReadonlyMap<string, string>;
}

const MAX_ENTRIES = 2047;
const MAX_ITEM_BYTES = MIB;
const MAX_DISK_BYTES = 64 * 2 ** 40;
const MAX_BLOCK_BYTES = 256 * MIB;

/** Finds items by their ids, each with its place checked. */
class MetadataItems {
  readonly #storage: Storage;
  readonly #region: Region;
  readonly #places = new Map<string, { readonly offset: number; readonly lengthBytes: number }>();

  constructor(storage: Storage, region: Region, table: Uint8Array) {
    this.#storage = storage;
    this.#region = region;
    const { signature, entryCount } = metadataTableHeader.decode(table);
    if (String.fromCharCode(...signature) !== 'metadata' || entryCount > MAX_ENTRIES) {
      throw corrupt('vhdx.metadata-table', 'The metadata table is damaged', region.offset);
    }
    const known = new Set<string>(Object.values(ITEM));
    for (let index = 0; index < entryCount; index++) {
      const at = metadataTableHeader.spanBytes + index * metadataTableEntry.spanBytes;
      const raw = metadataTableEntry.decode(table, at);
      const id = formatGuid(raw.itemId);
      const isUser = hasAnyBit(raw.flags, METADATA_FLAG.isUser);
      if (isUser || !known.has(id)) {
        if (hasAnyBit(raw.flags, METADATA_FLAG.isRequired)) throw unknownItem(id);
        continue;
      }
      this.#places.set(id, { offset: raw.offset, lengthBytes: raw.length });
    }
  }

  has(id: string): boolean {
    return this.#places.has(id);
  }

  *read(id: string, leastBytes: number): Step<Uint8Array> {
    const place = this.#places.get(id);
    if (place === undefined) throw this.#damaged(`lacks the item ${id}`);
    const { offset, lengthBytes } = place;
    const within =
      offset >= METADATA_TABLE_BYTES && offset + lengthBytes <= this.#region.lengthBytes;
    if (!within || lengthBytes < leastBytes || lengthBytes > MAX_ITEM_BYTES) {
      throw this.#damaged(`has ${lengthBytes} bytes at ${offset} for the item ${id}`);
    }
    return yield* readBytes(this.#storage, this.#region.offset + offset, lengthBytes);
  }

  #damaged(how: string): Error {
    return corrupt('vhdx.metadata-item', `The metadata ${how}`, this.#region.offset);
  }
}

export function* readMetadata(storage: Storage, region: Region): Step<VhdxMetadata> {
  const table = yield* readBytes(storage, region.offset, METADATA_TABLE_BYTES);
  const items = new MetadataItems(storage, region, table);
  const parameters = yield* items.read(ITEM.fileParameters, 8);
  const flags = readU32le(parameters, 4);
  const hasParent = hasAnyBit(flags, FILE_PARAMETER.hasParent);
  const logical = readU32le(yield* items.read(ITEM.logicalSectorSize, 4), 0);
  // QEMU leaves this one out now and then, and nothing depends on it.
  const physical = items.has(ITEM.physicalSectorSize)
    ? readU32le(yield* items.read(ITEM.physicalSectorSize, 4), 0)
    : 4096;
  const metadata = {
    blockBytes: readU32le(parameters, 0),
    leaveBlocksAllocated: hasAnyBit(flags, FILE_PARAMETER.leaveBlocksAllocated),
    hasParent,
    sizeBytes: readU64le(yield* items.read(ITEM.virtualDiskSize, 8), 0, 'VirtualDiskSize'),
    diskId: formatGuid(yield* items.read(ITEM.virtualDiskId, 16)),
    logicalSectorBytes: sectorSize(logical, region),
    physicalSectorBytes: sectorSize(physical, region),
    parent: hasParent
      ? parseLocator(yield* items.read(ITEM.parentLocator, parentLocatorHeader.spanBytes), region)
      : new Map<string, string>(),
  };
  checkSizes(metadata, region);
  return metadata;
}

function sectorSize(bytes: number, region: Region): 512 | 4096 {
  if (bytes === 512 || bytes === 4096) return bytes;
  throw corrupt('vhdx.sector-size', `Sectors of ${bytes} bytes`, region.offset);
}

function checkSizes({ blockBytes, sizeBytes, logicalSectorBytes }: VhdxMetadata, region: Region) {
  const isPower = Number.isInteger(Math.log2(blockBytes));
  if (!isPower || blockBytes < MIB || blockBytes > MAX_BLOCK_BYTES) {
    throw corrupt('vhdx.block-size', `Blocks of ${blockBytes} bytes`, region.offset);
  }
  if (sizeBytes % logicalSectorBytes !== 0 || sizeBytes > MAX_DISK_BYTES) {
    throw corrupt('vhdx.disk-size', `A disk of ${sizeBytes} bytes`, region.offset);
  }
}

function parseLocator(bytes: Uint8Array, region: Region): ReadonlyMap<string, string> {
  const { locatorType, keyValueCount } = parentLocatorHeader.decode(bytes);
  if (formatGuid(locatorType) !== VHDX_LOCATOR) {
    throw unsupported(
      'vhdx.locator-type',
      `The parent is named in a way that is not known here: ${formatGuid(locatorType)}`,
      'Only VHDX files can be parents.',
    );
  }
  const values = new Map<string, string>();
  const text = (offset: number, lengthBytes: number) => {
    if (offset + lengthBytes <= bytes.length)
      return decodeUtf16le(bytes.subarray(offset, offset + lengthBytes));
    throw corrupt('vhdx.locator', 'The parent locator is damaged', region.offset);
  };
  for (let index = 0; index < keyValueCount; index++) {
    const at = parentLocatorHeader.spanBytes + index * parentLocatorEntry.spanBytes;
    const raw = parentLocatorEntry.decode(bytes, at);
    values.set(text(raw.keyOffset, raw.keyLength), text(raw.valueOffset, raw.valueLength));
  }
  return values;
}

function unknownItem(id: string): Error {
  return unsupported(
    'vhdx.required-item',
    `The disk needs a metadata item that is not known here: ${id}`,
    'Convert it with the program that wrote it.',
  );
}
