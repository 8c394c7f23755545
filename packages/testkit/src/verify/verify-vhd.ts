/**
 * An independent look at a dynamic or differencing VHD image: are footer, its copy and header whole,
 * and does no block lie where something else is? Written against Microsoft's specification 1.0, with
 * nothing of the package.
 */
import type { Verdict } from '../subject/subject.ts';
import { Places } from './places.ts';

const SECTOR = 512;
const FOOTER_CHECKSUM_AT = 64;
const HEADER_BYTES = 1024;
const HEADER_CHECKSUM_AT = 36;
const UNUSED = 0xffff_ffff;

export function verifyVhd(image: Uint8Array): Verdict {
  const errors: string[] = [];
  const copy = image.subarray(0, SECTOR);
  const footer = image.subarray(Math.max(0, image.length - SECTOR));
  // A writer that was cut short leaves no footer behind the last block, or one that is not whole.
  const isDirty = !isWhole(footer, 'conectix', FOOTER_CHECKSUM_AT);
  if (!isWhole(copy, 'conectix', FOOTER_CHECKSUM_AT)) {
    return { errors: ['the copy of the footer is damaged'], leaks: [], isDirty };
  }
  if (!isDirty && Buffer.compare(copy, footer) !== 0) errors.push('footer and its copy differ');
  const headerAt = u64(viewOf(copy), 16);
  const header = image.subarray(headerAt, headerAt + HEADER_BYTES);
  if (!isWhole(header, 'cxsparse', HEADER_CHECKSUM_AT)) {
    return { errors: [...errors, 'the header is damaged'], leaks: [], isDirty };
  }
  const places = new Places();
  places.use('the copy of the footer', 0, SECTOR);
  places.use('the header', headerAt, HEADER_BYTES);
  useLocators(viewOf(header), places);
  useBlocks(viewOf(image), viewOf(header), places);
  if (!isDirty) places.use('the footer', image.length - SECTOR, SECTOR);
  errors.push(...places.faults(image.length));
  return { errors, leaks: isDirty ? [] : leaksOf(image.length, places), isDirty };
}

/** What lies between the last block and the footer. */
function leaksOf(fileBytes: number, places: Places): string[] {
  const gap = places.gapBefore(fileBytes - SECTOR);
  return gap === 0 ? [] : [`${gap} bytes before the footer belong to nothing`];
}

function useLocators(header: DataView, places: Places): void {
  for (let at = 576; at < 768; at += 24) {
    const lengthBytes = header.getUint32(at + 8);
    if (header.getUint32(at) === 0 || lengthBytes === 0) continue;
    places.use('a parent locator', u64(header, at + 16), roundUp(lengthBytes));
  }
}

function useBlocks(view: DataView, header: DataView, places: Places): void {
  const tableAt = u64(header, 16);
  const entries = header.getUint32(28);
  const blockBytes = header.getUint32(32);
  const strideBytes = roundUp(blockBytes / SECTOR / 8) + blockBytes;
  places.use('the block table', tableAt, roundUp(entries * 4));
  for (let index = 0; index < entries; index++) {
    const entry = view.getUint32(tableAt + index * 4);
    if (entry !== UNUSED) places.use(`block ${index}`, entry * SECTOR, strideBytes);
  }
}

function isWhole(bytes: Uint8Array, cookie: string, checksumAt: number): boolean {
  if (bytes.length < SECTOR || Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== cookie) {
    return false;
  }
  let sum = 0;
  for (const [at, byte] of bytes.entries()) {
    if (at < checksumAt || at >= checksumAt + 4) sum += byte;
  }
  return viewOf(bytes).getUint32(checksumAt) === 0xffff_ffff - sum;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function u64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at));
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}
