/** Creating VHDX disks, laid out as `qemu-img create -f vhdx` does, and differencing ones. */
import {
  alignUp,
  divideUp,
  encodeUtf16le,
  parseGuid,
  randomUuid,
  writeU32le,
  writeU64le,
} from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  type Step,
  truncateStorage,
  inContext,
  writeBytes,
} from '@diskfile/core';
import { type CreateLayout, parseCreateOptions, type VhdxParent } from './create-options.ts';
import { checksumOf } from './header.ts';
import { encodeHeader } from './log-writer.ts';
import {
  FILE_PARAMETER,
  FILE_SIGNATURE,
  ITEM,
  METADATA_FLAG,
  METADATA_ROOM_BYTES,
  METADATA_TABLE_BYTES,
  metadataTableEntry,
  metadataTableHeader,
  MIB,
  parentLocatorEntry,
  parentLocatorHeader,
  PAYLOAD,
  PLACES,
  REGION,
  REGION_TABLE_BYTES,
  regionTableEntry,
  regionTableHeader,
  VHDX_LOCATOR,
} from './structs.ts';

const CREATOR = 'diskfile';
const LOG_OFFSET = MIB;
const LOGICAL_SECTOR_BYTES = 512;
const SECTORS_PER_BITMAP = 2 ** 23;
const ENTRY_BYTES = 8;
const TWO_32 = 2 ** 32;

interface Places {
  readonly batOffset: number;
  readonly batBytes: number;
  readonly metadataOffset: number;
  readonly dataOffset: number;
}

export function* createVhdx(context: CreateContext): Step<void> {
  const { storage } = context;
  const layout = yield* parseCreateOptions(context);
  const places = placesOf(layout);
  yield* truncateStorage(storage, places.dataOffset);
  // The first to need much room, and what comes right behind is little.
  const purpose = 'bat';
  const bat = writeBytes(storage, encodeBat(layout, places), places.batOffset);
  yield* inContext({ purpose }, bat);
  const metadata = writeBytes(storage, encodeMetadata(layout), places.metadataOffset);
  yield* inContext({ purpose }, metadata);
  if (layout.isFixed) {
    // What the last block has beyond the end of the disk is not in the file, as with QEMU.
    yield* truncateStorage(storage, places.dataOffset + layout.sizeBytes);
  }
  const regionTable = encodeRegionTable(places);
  for (const offset of PLACES.regionTables) yield* writeBytes(storage, regionTable, offset);
  const guids = { fileWriteGuid: randomUuid(), dataWriteGuid: randomUuid() };
  const log = { logBytes: layout.logBytes, logOffset: LOG_OFFSET };
  for (const [slot, offset] of PLACES.headers.entries()) {
    const header = encodeHeader({ ...guids, ...log, sequenceNumber: slot + 1 }, new Uint8Array(16));
    yield* writeBytes(storage, header, offset);
  }
  yield* flushStorage(storage);
  // The signature comes last: until then the file is no image.
  yield* writeBytes(storage, encodeFileIdentifier(), 0);
  yield* flushStorage(storage);
}

function placesOf({ sizeBytes, blockBytes, logBytes, parent }: CreateLayout): Places {
  const chunkRatio = (SECTORS_PER_BITMAP * LOGICAL_SECTOR_BYTES) / blockBytes;
  const blocks = divideUp(sizeBytes, blockBytes);
  const chunks = divideUp(blocks, chunkRatio);
  const entries =
    parent === undefined ? blocks + Math.max(0, chunks - 1) : chunks * (chunkRatio + 1);
  const batOffset = LOG_OFFSET + alignUp(logBytes, MIB);
  const batBytes = Math.max(MIB, alignUp(entries * ENTRY_BYTES, MIB));
  const metadataOffset = batOffset + batBytes;
  return { batOffset, batBytes, metadataOffset, dataOffset: metadataOffset + METADATA_ROOM_BYTES };
}

function encodeFileIdentifier(): Uint8Array {
  const bytes = new Uint8Array(8 + 512);
  bytes.set(Uint8Array.from(FILE_SIGNATURE, (character) => character.charCodeAt(0)));
  bytes.set(encodeUtf16le(CREATOR), 8);
  return bytes;
}

function encodeRegionTable({ batOffset, batBytes, metadataOffset }: Places): Uint8Array {
  const bytes = new Uint8Array(REGION_TABLE_BYTES);
  const regions = [
    { guid: parseGuid(REGION.bat), fileOffset: batOffset, length: batBytes, required: 1 },
    { guid: parseGuid(REGION.metadata), fileOffset: metadataOffset, length: MIB, required: 1 },
  ];
  const signature = Uint8Array.from('regi', (character) => character.charCodeAt(0));
  regionTableHeader.encode({ signature, checksum: 0, entryCount: 2, reserved: 0 }, bytes);
  for (const [index, region] of regions.entries()) {
    const at = regionTableHeader.spanBytes + index * regionTableEntry.spanBytes;
    regionTableEntry.encode(region, bytes, at);
  }
  writeU32le(bytes, regionTableHeader.offsetOf('checksum'), checksumOf(bytes));
  return bytes;
}

/** All blocks at their places in a fixed disk; in others none, said in one way or the other. */
function encodeBat(layout: CreateLayout, { batBytes, dataOffset }: Places): Uint8Array {
  const { sizeBytes, blockBytes, isFixed, zeroBlocks, parent } = layout;
  const view = new DataView(new ArrayBuffer(batBytes));
  const chunkRatio = (SECTORS_PER_BITMAP * LOGICAL_SECTOR_BYTES) / blockBytes;
  const blocks = divideUp(sizeBytes, blockBytes);
  for (let index = 0; index < blocks; index++) {
    const at = (index + Math.floor(index / chunkRatio)) * ENTRY_BYTES;
    if (zeroBlocks && parent === undefined) view.setUint32(at, PAYLOAD.zero, true);
    else if (isFixed) {
      const place = dataOffset + index * blockBytes;
      view.setUint32(at, (place % TWO_32) + PAYLOAD.fullyPresent, true);
      view.setUint32(at + 4, Math.floor(place / TWO_32), true);
    }
  }
  return new Uint8Array(view.buffer);
}

function encodeMetadata(layout: CreateLayout): Uint8Array {
  const { sizeBytes, blockBytes, isFixed, parent } = layout;
  const parameters = new Uint8Array(8);
  writeU32le(parameters, 0, blockBytes);
  const flags =
    (isFixed ? FILE_PARAMETER.leaveBlocksAllocated : 0) +
    (parent === undefined ? 0 : FILE_PARAMETER.hasParent);
  writeU32le(parameters, 4, flags);
  const size = new Uint8Array(8);
  writeU64le(size, 0, sizeBytes);
  const { isVirtualDisk, isRequired } = METADATA_FLAG;
  const items = [
    { id: ITEM.fileParameters, bytes: parameters, flags: isRequired },
    { id: ITEM.virtualDiskSize, bytes: size, flags: isRequired + isVirtualDisk },
    { id: ITEM.virtualDiskId, bytes: randomUuid(), flags: isRequired + isVirtualDisk },
    {
      id: ITEM.logicalSectorSize,
      bytes: u32(LOGICAL_SECTOR_BYTES),
      flags: isRequired + isVirtualDisk,
    },
    { id: ITEM.physicalSectorSize, bytes: u32(512), flags: isRequired + isVirtualDisk },
    ...(parent === undefined
      ? []
      : [{ id: ITEM.parentLocator, bytes: encodeLocator(parent), flags: isRequired }]),
  ];
  const end = items.reduce((sum, { bytes }) => sum + bytes.length, METADATA_TABLE_BYTES);
  const region = new Uint8Array(end);
  const signature = Uint8Array.from('metadata', (character) => character.charCodeAt(0));
  metadataTableHeader.encode(
    { signature, reserved: 0, entryCount: items.length, reserved2: new Uint8Array(20) },
    region,
  );
  let offset = METADATA_TABLE_BYTES;
  for (const [index, { id, bytes, flags: itemFlags }] of items.entries()) {
    const entry = {
      itemId: parseGuid(id),
      offset,
      length: bytes.length,
      flags: itemFlags,
      reserved2: 0,
    };
    const at = metadataTableHeader.spanBytes + index * metadataTableEntry.spanBytes;
    metadataTableEntry.encode(entry, region, at);
    region.set(bytes, offset);
    offset += bytes.length;
  }
  return region;
}

function encodeLocator(parent: VhdxParent): Uint8Array {
  const pairs = [
    ['parent_linkage', `{${parent.dataWriteGuid.toLowerCase()}}`],
    ['relative_path', `.\\${parent.relativePath}`],
  ].map((pair) => pair.map(encodeUtf16le) as [Uint8Array, Uint8Array]);
  const textAt = parentLocatorHeader.spanBytes + pairs.length * parentLocatorEntry.spanBytes;
  const total = pairs.reduce((sum, [key, value]) => sum + key.length + value.length, textAt);
  const bytes = new Uint8Array(total);
  const header = { locatorType: parseGuid(VHDX_LOCATOR), reserved: 0, keyValueCount: pairs.length };
  parentLocatorHeader.encode(header, bytes);
  let at = textAt;
  for (const [index, [key, value]] of pairs.entries()) {
    const entry = {
      keyOffset: at,
      valueOffset: at + key.length,
      keyLength: key.length,
      valueLength: value.length,
    };
    const entryAt = parentLocatorHeader.spanBytes + index * parentLocatorEntry.spanBytes;
    parentLocatorEntry.encode(entry, bytes, entryAt);
    bytes.set(key, at);
    bytes.set(value, at + key.length);
    at += key.length + value.length;
  }
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32le(bytes, 0, value);
  return bytes;
}
