/**
 * The smallest VHDX disks that there can be: blocks of 1 MiB, each structure at a place of its own.
 * Written against [MS-VHDX], with nothing of the package.
 */
import { crc32c } from '../verify/crc32c.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PAGE = 4 * KIB;

/** Where everything lies. */
export const VHDX_PLACES = {
  headers: [64 * KIB, 128 * KIB],
  regionTables: [192 * KIB, 256 * KIB],
  log: MIB,
  bat: 2 * MIB,
  metadata: 3 * MIB,
  items: 3 * MIB + 64 * KIB,
  /** The entry for the bitmap of the first 4096 blocks. */
  bitmapEntry: 2 * MIB + 4096 * 8,
  blocks: 4 * MIB,
} as const;

/** Bytes of the log. */
const LOG_BYTES = MIB;
export const LOG_GUID = Buffer.alloc(16, 0x4c);
export const DATA_WRITE_GUID = Buffer.alloc(16, 0x44);
const NO_GUID = Buffer.alloc(16);

export interface VhdxLogEntry {
  /** Place in the log. */
  readonly at: number;
  readonly tail: number;
  readonly number: number;
  /** Pages to write, and lengths of zeros. */
  readonly changes: readonly (readonly [fileOffset: number, what: Uint8Array | number])[];
}

export interface SmallVhdx {
  readonly sizeBytes: number;
  /** By block: state, and the place of those that are there. */
  readonly entries: readonly bigint[];
  /** Of 1 MiB each. */
  readonly blocks: number;
  readonly log?: readonly VhdxLogEntry[];
  readonly logOffset?: number;
  /** How a differencing disk calls its parent, whose data has the usual id. */
  readonly parentName?: string;
}

export function buildSmallVhdx(disk: SmallVhdx): Uint8Array {
  const image = Buffer.alloc(VHDX_PLACES.blocks + disk.blocks * MIB);
  image.write('vhdxfile', 'latin1');
  for (let block = 0; block < disk.blocks; block++) {
    image.fill(
      0x51 + block,
      VHDX_PLACES.blocks + block * MIB,
      VHDX_PLACES.blocks + (block + 1) * MIB,
    );
  }
  for (const [index, entry] of disk.entries.entries()) {
    image.writeBigUInt64LE(entry, VHDX_PLACES.bat + index * 8);
  }
  for (const entry of disk.log ?? []) putEntry(image, entry, disk.log!);
  putHeaders(image, disk);
  putRegions(image);
  putMetadata(image, disk);
  repairVhdx(image);
  return new Uint8Array(image);
}

function putHeaders(image: Buffer, { log, logOffset = VHDX_PLACES.log }: SmallVhdx): void {
  for (const [slot, at] of VHDX_PLACES.headers.entries()) {
    image.write('head', at, 'latin1');
    image.writeBigUInt64LE(BigInt(slot + 7), at + 8);
    image.fill(0x46, at + 16, at + 32);
    image.set(DATA_WRITE_GUID, at + 32);
    image.set(log === undefined ? NO_GUID : LOG_GUID, at + 48);
    image.writeUInt16LE(1, at + 66);
    image.writeUInt32LE(LOG_BYTES, at + 68);
    image.writeBigUInt64LE(BigInt(logOffset), at + 72);
  }
}

function putRegions(image: Buffer): void {
  for (const at of VHDX_PLACES.regionTables) {
    image.write('regi', at, 'latin1');
    image.writeUInt32LE(2, at + 8);
    for (const [index, [guid, offset]] of [
      ['6677c22d23f600429d64115e9bfd4a08', VHDX_PLACES.bat] as const,
      ['06a27c8b90479a4bb8fe575f050f886e', VHDX_PLACES.metadata] as const,
    ].entries()) {
      const entry = at + 16 + index * 32;
      image.set(Buffer.from(guid, 'hex'), entry);
      image.writeBigUInt64LE(BigInt(offset), entry + 16);
      image.writeUInt32LE(MIB, entry + 24);
      image.writeUInt32LE(1, entry + 28);
    }
  }
}

function putMetadata(image: Buffer, { sizeBytes, parentName }: SmallVhdx): void {
  const parameters = Buffer.alloc(8);
  parameters.writeUInt32LE(MIB);
  parameters.writeUInt32LE(parentName === undefined ? 0 : 2, 4);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(sizeBytes));
  const sector = Buffer.alloc(4);
  sector.writeUInt32LE(512);
  const items: [guid: string, value: Buffer][] = [
    ['3767a1ca36fa434db3b633f0aa44e76b', parameters],
    ['2442a52f1bcd7648b2115dbed83bf4b8', size],
    ['ab12cabee6b2234593efc309e000c746', Buffer.alloc(16, 0x49)],
    ['1dbf41816fa90947ba47f233a8faab5f', sector],
    ['c748a3cd5d4471449cc9e9885251c556', sector],
  ];
  if (parentName !== undefined) {
    items.push(['2d5fd3a80bb34d45abf7d3d84834ab0c', encodeLocator(parentName)]);
  }
  const { metadata } = VHDX_PLACES;
  image.write('metadata', metadata, 'latin1');
  image.writeUInt16LE(items.length, metadata + 10);
  let offset = 64 * KIB;
  for (const [index, [guid, value]] of items.entries()) {
    const entry = metadata + 32 + index * 32;
    image.set(Buffer.from(guid, 'hex'), entry);
    image.writeUInt32LE(offset, entry + 16);
    image.writeUInt32LE(value.length, entry + 20);
    image.writeUInt32LE(4, entry + 24);
    image.set(value, metadata + offset);
    offset += value.length;
  }
}

function encodeLocator(parentName: string): Buffer {
  const link = '{44444444-4444-4444-4444-444444444444}';
  const pairs = [
    ['parent_linkage', link],
    ['relative_path', `.\\${parentName}`],
    ['absolute_win32_path', `C:\\disks\\${parentName}`],
  ];
  const texts = pairs.flat().map((text) => Buffer.from(text, 'utf16le'));
  const head = Buffer.alloc(20 + pairs.length * 12);
  head.set(Buffer.from('b7ef4ab09ed1814ab78925b8e9445913', 'hex'));
  head.writeUInt16LE(pairs.length, 18);
  let at = head.length;
  for (const [index, text] of texts.entries()) {
    const entry = 20 + Math.floor(index / 2) * 12;
    head.writeUInt32LE(at, entry + (index % 2) * 4);
    head.writeUInt16LE(text.length, entry + 8 + (index % 2) * 2);
    at += text.length;
  }
  return Buffer.concat([head, ...texts]);
}

function putEntry(image: Buffer, entry: VhdxLogEntry, log: readonly VhdxLogEntry[]): void {
  const { at, tail, number, changes } = entry;
  const start = VHDX_PLACES.log + at;
  const dataAt = Math.ceil((64 + changes.length * 32) / PAGE) * PAGE;
  const pages = changes.filter(([, what]) => typeof what !== 'number').length;
  const lengthBytes = dataAt + pages * PAGE;
  if (log.some((other) => other.at > at && other.at < at + lengthBytes)) {
    throw new Error('assertion failed: entries of a log overlap');
  }
  image.write('loge', start, 'latin1');
  image.writeUInt32LE(lengthBytes, start + 8);
  image.writeUInt32LE(tail, start + 12);
  image.writeBigUInt64LE(BigInt(number), start + 16);
  image.writeUInt32LE(changes.length, start + 24);
  image.set(LOG_GUID, start + 32);
  image.writeBigUInt64LE(BigInt(image.length), start + 48);
  image.writeBigUInt64LE(BigInt(image.length), start + 56);
  let page = start + dataAt;
  for (const [index, [fileOffset, what]] of changes.entries()) {
    const descriptor = start + 64 + index * 32;
    image.writeBigUInt64LE(BigInt(fileOffset), descriptor + 16);
    image.writeBigUInt64LE(BigInt(number), descriptor + 24);
    if (typeof what === 'number') {
      image.write('zero', descriptor, 'latin1');
      image.writeBigUInt64LE(BigInt(what), descriptor + 8);
      continue;
    }
    image.write('desc', descriptor, 'latin1');
    image.set(what.subarray(PAGE - 4), descriptor + 4);
    image.set(what.subarray(0, 8), descriptor + 8);
    image.set(what, page);
    image.write('data', page, 'latin1');
    image.writeUInt32LE(0, page + 4);
    image.writeUInt32LE(number, page + PAGE - 4);
    page += PAGE;
  }
}

/** Makes the checksums of headers, region tables and entries of the log right. */
export function repairVhdx(image: Uint8Array): void {
  for (const at of VHDX_PLACES.headers) repairSum(image, at, PAGE, 'head');
  for (const at of VHDX_PLACES.regionTables) repairSum(image, at, 64 * KIB, 'regi');
  const log = VHDX_PLACES.log;
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let at = log; at + 64 <= Math.min(image.length, log + LOG_BYTES); at += PAGE) {
    repairSum(image, at, view.getUint32(at + 8, true), 'loge');
  }
}

function repairSum(image: Uint8Array, at: number, lengthBytes: number, signature: string): void {
  if (lengthBytes < 8 || lengthBytes > LOG_BYTES || at + lengthBytes > image.length) return;
  const part = Buffer.from(image.buffer, image.byteOffset + at, lengthBytes);
  if (part.toString('latin1', 0, 4) === signature) part.writeUInt32LE(crc32c(part, 4), 4);
}
