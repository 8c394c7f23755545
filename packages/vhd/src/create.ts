/** Creating VHD images, with the options of `qemu-img create -f vpc`, and differencing ones. */
import {
  alignUp,
  DiskError,
  divideUp,
  encodeUtf16be,
  encodeUtf16le,
  parseUuid,
  randomUuid,
} from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  growStorage,
  quote,
  type Step,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import {
  type Geometry,
  geometryWithRoom,
  MAX_GEOMETRY,
  MAX_GEOMETRY_SECTORS,
  sectorsOf,
} from './geometry.ts';
import {
  checksumOf,
  DISK_TYPE,
  dynamicDiskHeader,
  EPOCH_SECONDS,
  FOOTER_COOKIE,
  hardDiskFooter,
  HEADER_COOKIE,
  parentLocator,
  SECTOR_BYTES,
} from './structs.ts';

const BLOCK_BYTES = 2 * 1024 * 1024;
const HEADER_OFFSET = SECTOR_BYTES;
const TABLE_OFFSET = HEADER_OFFSET + dynamicDiskHeader.spanBytes;
/** The largest disk that Virtual PC and Azure take: 2040 GiB. */
const MAX_SECTORS = 2040 * 1024 * 1024 * 2;
const NO_OFFSET = 0xffff_ffff;
const VERSION = 0x0001_0000;
const LOCATOR_CODE = 'W2ru';

export interface VhdLayout {
  readonly sizeBytes: number;
  readonly geometry: Geometry;
  /** `qem2`: who reads the image goes by the size; `qemu`: by the geometry. */
  readonly creator: 'qem2' | 'qemu';
  readonly type: keyof typeof DISK_TYPE;
}

export function* createVhd(context: CreateContext): Step<void> {
  const { storage, backing } = context;
  const layout = layOut(context);
  const footer = encodeFooter(layout);
  if (layout.type === 'fixed') return yield* createFixed(storage, layout, footer);
  const parent = backing === undefined ? undefined : yield* parentOf(context);
  const blocks = Math.floor((layout.sizeBytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
  const tableBytes = alignUp(blocks * 4, SECTOR_BYTES);
  const locatorOffset = TABLE_OFFSET + tableBytes;
  yield* writeBytes(storage, new Uint8Array(tableBytes).fill(0xff), TABLE_OFFSET);
  let end = locatorOffset;
  if (parent !== undefined) {
    yield* writeBytes(storage, parent.path, locatorOffset);
    end = alignUp(locatorOffset + parent.path.length, SECTOR_BYTES);
  }
  yield* writeBytes(storage, encodeHeader(blocks, parent, locatorOffset), HEADER_OFFSET);
  yield* writeBytes(storage, footer, end);
  // The copy at the start comes last: until then the file is no image.
  yield* writeBytes(storage, footer, 0);
  yield* flushStorage(storage);
}

function* createFixed(storage: WritableStorage, { sizeBytes }: VhdLayout, footer: Uint8Array) {
  yield* growStorage(storage, sizeBytes);
  yield* writeBytes(storage, footer, sizeBytes);
  yield* flushStorage(storage);
}

function layOut({ sizeBytes: wantedBytes, options, backing }: CreateContext): VhdLayout {
  const { subformat = 'dynamic', force_size: forceSize = false, ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    const message = `VHD images have no option ${quote(name)}`;
    throw refused('vhd.option', message, 'Known options: subformat, force_size.');
  }
  if (subformat !== 'dynamic' && subformat !== 'fixed') {
    throw refused(
      'vhd.subformat',
      `subformat is dynamic or fixed, not ${quote(String(subformat))}`,
    );
  }
  if (backing !== undefined && subformat === 'fixed') {
    throw refused('vhd.fixed-backing', 'A fixed disk cannot have a parent');
  }
  const type = backing === undefined ? subformat : 'differencing';
  // A differencing disk has the size of its parent to the byte.
  if (isOn(forceSize) || backing !== undefined) {
    return bounded({ sizeBytes: wantedBytes, geometry: MAX_GEOMETRY, creator: 'qem2', type });
  }
  const geometry = geometryWithRoom(wantedBytes / SECTOR_BYTES);
  const sectors = sectorsOf(geometry);
  const rounded = sectors === MAX_GEOMETRY_SECTORS ? wantedBytes : sectors * SECTOR_BYTES;
  return bounded({ sizeBytes: rounded, geometry, creator: 'qemu', type });
}

function bounded(layout: VhdLayout): VhdLayout {
  if (layout.sizeBytes / SECTOR_BYTES <= MAX_SECTORS) return layout;
  throw refused('vhd.too-large', 'A VHD image has 2040 GiB at most');
}

function isOn(value: string | number | boolean): boolean {
  if (value === true || value === 'on' || value === 'true') return true;
  if (value === false || value === 'off' || value === 'false') return false;
  throw refused('vhd.force-size', `force_size is on or off, not ${quote(String(value))}`);
}

function encodeFooter({ sizeBytes, geometry, creator, type }: VhdLayout): Uint8Array {
  const footer = new Uint8Array(SECTOR_BYTES);
  const fields = {
    cookie: ascii(FOOTER_COOKIE),
    features: 2,
    fileFormatVersion: VERSION,
    dataOffsetHigh: type === 'fixed' ? NO_OFFSET : 0,
    dataOffsetLow: type === 'fixed' ? NO_OFFSET : HEADER_OFFSET,
    timeStamp: Math.max(0, Math.floor(Date.now() / 1000) - EPOCH_SECONDS),
    creatorApplication: ascii(creator),
    creatorVersion: 0x0005_0003,
    creatorHostOs: ascii('Wi2k'),
    originalSize: sizeBytes,
    currentSize: sizeBytes,
    ...geometry,
    diskType: DISK_TYPE[type],
    checksum: 0,
    uniqueId: randomUuid(),
    savedState: 0,
    reserved: new Uint8Array(427),
  };
  hardDiskFooter.encode(fields, footer);
  const checksum = checksumOf(footer, hardDiskFooter.offsetOf('checksum'));
  hardDiskFooter.encode({ ...fields, checksum }, footer);
  return footer;
}

interface Parent {
  readonly uniqueId: Uint8Array;
  readonly timeStamp: number;
  readonly name: string;
  /** The relative path as Windows writes it. */
  readonly path: Uint8Array;
}

function* parentOf({ backing, describeBacking }: CreateContext): Step<Parent> {
  const { name, format } = backing!;
  const details = format === 'vhd' || format === 'vpc' ? yield* describeBacking!() : {};
  const { uniqueId, createdSeconds } = details;
  if (typeof uniqueId !== 'string' || typeof createdSeconds !== 'number') {
    throw refused('vhd.parent-format', 'The parent of a differencing disk has to be a VHD image');
  }
  if (/^([A-Za-z]:|[\\/])/.test(name)) {
    throw refused('vhd.parent-path', 'The parent has to be named relative to the new image');
  }
  return {
    uniqueId: parseUuid(uniqueId),
    timeStamp: createdSeconds - EPOCH_SECONDS,
    name: name.split('/').at(-1)!,
    path: encodeUtf16le(`.\\${name.replace(/^(\.\/)+/, '').replaceAll('/', '\\')}`),
  };
}

function encodeHeader(
  blocks: number,
  parent: Parent | undefined,
  locatorOffset: number,
): Uint8Array {
  const header = new Uint8Array(dynamicDiskHeader.spanBytes);
  const parentUnicodeName = new Uint8Array(512);
  const parentLocators = new Uint8Array(8 * parentLocator.spanBytes);
  if (parent !== undefined) {
    parentUnicodeName.set(encodeUtf16be(parent.name).subarray(0, 510));
    const locator = {
      platformCode: new DataView(ascii(LOCATOR_CODE).buffer).getUint32(0),
      platformDataSpace: divideUp(parent.path.length, SECTOR_BYTES) * SECTOR_BYTES,
      platformDataLength: parent.path.length,
      reserved: 0,
      platformDataOffset: locatorOffset,
    };
    parentLocator.encode(locator, parentLocators);
  }
  const fields = {
    cookie: ascii(HEADER_COOKIE),
    dataOffsetHigh: NO_OFFSET,
    dataOffsetLow: NO_OFFSET,
    tableOffset: TABLE_OFFSET,
    headerVersion: VERSION,
    maxTableEntries: blocks,
    blockSize: BLOCK_BYTES,
    checksum: 0,
    parentUniqueId: parent?.uniqueId ?? new Uint8Array(16),
    parentTimeStamp: parent?.timeStamp ?? 0,
    reserved1: 0,
    parentUnicodeName,
    parentLocators,
    reserved2: new Uint8Array(256),
  };
  dynamicDiskHeader.encode(fields, header);
  const checksum = checksumOf(header, dynamicDiskHeader.offsetOf('checksum'));
  dynamicDiskHeader.encode({ ...fields, checksum }, header);
  return header;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function refused(detail: string, message: string, hint?: string): DiskError {
  const context = { op: 'create', format: 'vhd', layer: 'format' };
  return new DiskError(
    'invalid-argument',
    detail,
    message,
    hint === undefined ? context : { ...context, hint },
  );
}
