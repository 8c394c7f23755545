/**
 * Dynamic and differencing VHD images with blocks far smaller than those that programs make, so
 * that all a crash leaves of one can be looked at. Written against Microsoft's specification 1.0.
 */
import { randomFillSync } from 'node:crypto';

export interface SmallVhd {
  readonly sizeBytes: number;
  /** A power of two from 4096 on. */
  readonly blockBytes: number;
  /** The image that a differencing disk is made over, and how it calls it. */
  readonly parent?: { readonly image: Uint8Array; readonly name: string };
}

const SECTOR = 512;
const HEADER_AT = 512;
const TABLE_AT = 1536;
const UNIQUE_ID_AT = 68;

export function buildSmallVhd({ sizeBytes, blockBytes, parent }: SmallVhd): Uint8Array {
  const entries = Math.ceil(sizeBytes / blockBytes);
  const locatorAt = TABLE_AT + roundUp(entries * 4);
  const footerAt = parent === undefined ? locatorAt : locatorAt + SECTOR;
  const image = new Uint8Array(footerAt + SECTOR);
  const footer = encodeFooter(sizeBytes, parent === undefined ? 3 : 4);
  image.set(footer, 0);
  image.set(footer, footerAt);
  image.fill(0xff, TABLE_AT, locatorAt);
  const header = new DataView(image.buffer, HEADER_AT, 1024);
  putText(header, 0, 'cxsparse');
  header.setBigUint64(8, 0xffff_ffff_ffff_ffffn);
  header.setBigUint64(16, BigInt(TABLE_AT));
  header.setUint32(24, 0x0001_0000);
  header.setUint32(28, entries);
  header.setUint32(32, blockBytes);
  if (parent !== undefined) {
    const uniqueId = parent.image.subarray(UNIQUE_ID_AT, UNIQUE_ID_AT + 16);
    image.set(uniqueId, HEADER_AT + 40);
    for (const [at, letter] of [...parent.name].entries()) {
      header.setUint16(64 + at * 2, letter.charCodeAt(0));
    }
    const path = Buffer.from(`.\\${parent.name}`, 'utf16le');
    image.set(path, locatorAt);
    putText(header, 576, 'W2ru');
    header.setUint32(580, SECTOR);
    header.setUint32(584, path.length);
    header.setBigUint64(592, BigInt(locatorAt));
  }
  header.setUint32(36, checksum(image.subarray(HEADER_AT, HEADER_AT + 1024)));
  return image;
}

function encodeFooter(sizeBytes: number, diskType: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  putText(view, 0, 'conectix');
  view.setUint32(8, 2);
  view.setUint32(12, 0x0001_0000);
  view.setBigUint64(16, BigInt(HEADER_AT));
  // The size counts, not the geometry.
  putText(view, 28, 'win ');
  putText(view, 36, 'Wi2k');
  view.setBigUint64(40, BigInt(sizeBytes));
  view.setBigUint64(48, BigInt(sizeBytes));
  view.setUint16(56, 65_535);
  view.setUint8(58, 16);
  view.setUint8(59, 255);
  view.setUint32(60, diskType);
  randomFillSync(bytes, UNIQUE_ID_AT, 16);
  view.setUint32(64, checksum(bytes));
  return bytes;
}

/** The field of the checksum itself is still zero. */
function checksum(bytes: Uint8Array): number {
  return 0xffff_ffff - bytes.reduce((sum, byte) => sum + byte, 0);
}

function putText(view: DataView, at: number, text: string): void {
  for (const [index, letter] of [...text].entries())
    view.setUint8(at + index, letter.charCodeAt(0));
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}
