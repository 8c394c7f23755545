/**
 * An independent look at a VHDX file: are header, region tables and log whole, and does no block
 * lie where something else is, once the log has been applied? Written against [MS-VHDX], with
 * nothing of the package.
 */
import type { Verdict } from '../subject/subject.ts';
import { crc32c } from './crc32c.ts';
import { Places } from './places.ts';
import { replayLog } from './vhdx-log.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const NO_GUID = '0'.repeat(32);
const HEADERS_AT = [64 * KIB, 128 * KIB];
const REGIONS_AT = [192 * KIB, 256 * KIB];
const BAT_GUID = '6677c22d23f600429d64115e9bfd4a08';
const METADATA_GUID = '06a27c8b90479a4bb8fe575f050f886e';
const FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b';
const DISK_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8';
const LOGICAL_SECTOR = '1dbf41816fa90947ba47f233a8faab5f';
const FULLY_PRESENT = 6;
const PARTIALLY_PRESENT = 7;

interface Header {
  readonly sequence: bigint;
  readonly logGuid: string;
  readonly logOffset: number;
  readonly logBytes: number;
}

interface Region {
  readonly offset: number;
  readonly lengthBytes: number;
}

class Damage extends Error {}

export function verifyVhdx(image: Uint8Array): Verdict {
  let isDirty = false;
  try {
    const header = newestHeader(image);
    const { logOffset: offset, logBytes: lengthBytes, logGuid: guid } = header;
    const hasLog = guid !== NO_GUID;
    isDirty = hasLog;
    const replayed = hasLog ? replayLog(image, { guid, offset, lengthBytes }) : image;
    if (replayed === undefined) throw new Damage('the log holds no whole sequence');
    const { errors, gap } = lookAtBlocks(replayed, header);
    const leaks = gap === 0 || isDirty ? [] : [`the last ${gap} bytes belong to nothing`];
    return { errors, leaks, isDirty };
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    return { errors: [error.message], leaks: [], isDirty };
  }
}

function newestHeader(image: Uint8Array): Header {
  const headers = HEADERS_AT.map((at) => headerAt(image, at)).filter(
    (header) => header !== undefined,
  );
  const [newest] = headers.toSorted((one, other) => Number(other.sequence - one.sequence));
  if (newest === undefined) throw new Damage('both headers are damaged');
  return newest;
}

function headerAt(image: Uint8Array, at: number): Header | undefined {
  const bytes = Buffer.from(image.subarray(at, at + 4 * KIB));
  const isWhole =
    bytes.toString('latin1', 0, 4) === 'head' && bytes.readUInt32LE(4) === crc32c(bytes, 4);
  if (!isWhole) return undefined;
  return {
    sequence: bytes.readBigUInt64LE(8),
    logGuid: bytes.toString('hex', 48, 64),
    logBytes: bytes.readUInt32LE(68),
    logOffset: Number(bytes.readBigUInt64LE(72)),
  };
}

function regionsOf(image: Uint8Array): Map<string, Region> {
  for (const at of REGIONS_AT) {
    const bytes = Buffer.from(image.subarray(at, at + 64 * KIB));
    if (bytes.toString('latin1', 0, 4) !== 'regi' || bytes.readUInt32LE(4) !== crc32c(bytes, 4)) {
      continue;
    }
    const entries = Array.from({ length: bytes.readUInt32LE(8) }, (_, index) => 16 + index * 32);
    return new Map(
      entries.map((entry) => [
        bytes.toString('hex', entry, entry + 16),
        {
          offset: Number(bytes.readBigUInt64LE(entry + 16)),
          lengthBytes: bytes.readUInt32LE(entry + 24),
        },
      ]),
    );
  }
  throw new Damage('both region tables are damaged');
}

/** Reads numbers of items by their ids. */
function itemsOf(image: Uint8Array, { offset, lengthBytes }: Region) {
  const bytes = Buffer.from(image.subarray(offset, offset + lengthBytes));
  if (bytes.toString('latin1', 0, 8) !== 'metadata') throw new Damage('no metadata table');
  const count = bytes.readUInt16LE(10);
  return (id: string): Buffer => {
    for (let at = 32; at < 32 + count * 32; at += 32) {
      if (bytes.toString('hex', at, at + 16) !== id) continue;
      const start = bytes.readUInt32LE(at + 16);
      return bytes.subarray(start, start + bytes.readUInt32LE(at + 20));
    }
    throw new Damage(`there is no item ${id}`);
  };
}

function lookAtBlocks(image: Uint8Array, header: Header): { errors: string[]; gap: number } {
  const regions = regionsOf(image);
  const bat = regions.get(BAT_GUID);
  const metadata = regions.get(METADATA_GUID);
  if (bat === undefined || metadata === undefined) throw new Damage('a region is missing');
  const item = itemsOf(image, metadata);
  const parameters = item(FILE_PARAMETERS);
  const blockBytes = parameters.readUInt32LE(0);
  const flags = parameters.readUInt32LE(4);
  const isFixed = flags % 2 === 1;
  const hasParent = Math.floor(flags / 2) % 2 === 1;
  const chunkRatio = (2 ** 23 * item(LOGICAL_SECTOR).readUInt32LE(0)) / blockBytes;
  const diskBytes = Number(item(DISK_SIZE).readBigUInt64LE(0));
  const blocks = Math.ceil(diskBytes / blockBytes);
  const places = new Places();
  places.use('what comes first', 0, MIB);
  places.use('the log', header.logOffset, header.logBytes);
  places.use('the block table', bat.offset, bat.lengthBytes);
  places.use('the metadata', metadata.offset, metadata.lengthBytes);
  const view = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const errors: string[] = [];
  const entryAt = (index: number) => {
    const entry = view.readBigUInt64LE(bat.offset + index * 8);
    return { state: Number(entry % 8n), offset: Number(entry / 2n ** 20n) * MIB };
  };
  const bitmaps = new Set<number>();
  for (let block = 0; block < blocks; block++) {
    const chunk = Math.floor(block / chunkRatio);
    const { state, offset } = entryAt(block + chunk);
    if (state === PARTIALLY_PRESENT) bitmaps.add(chunk);
    if (state >= FULLY_PRESENT) places.use(`block ${block}`, offset, blockBytes);
    else if (state > 3) errors.push(`block ${block} has the state ${state}`);
    if (state === PARTIALLY_PRESENT && !hasParent) errors.push(`block ${block} is there in part`);
  }
  for (const chunk of bitmaps) {
    const { state, offset } = entryAt(chunk * (chunkRatio + 1) + chunkRatio);
    if (state === FULLY_PRESENT) places.use(`sector bitmap ${chunk}`, offset, MIB);
    else errors.push(`sector bitmap ${chunk} is missing`);
  }
  errors.push(...places.faults(image.length));
  // QEMU leaves 4 MiB behind the metadata, and so do images that are laid out like its own; the file
  // of a fixed disk is made as long as it will be, and its blocks are named once they are written.
  const spareBytes = 4 * MIB + (isFixed ? diskBytes : 0);
  const emptyBytes = metadata.offset + metadata.lengthBytes + spareBytes;
  return { errors, gap: image.length === emptyBytes ? 0 : places.gapBefore(image.length) };
}
