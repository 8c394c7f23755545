/** The log of a VHDX file, replayed. Written against [MS-VHDX] 2.3, with nothing of the package. */
import { crc32c } from './crc32c.ts';

export interface LogPlace {
  readonly guid: string;
  readonly offset: number;
  readonly lengthBytes: number;
}

interface Entry {
  readonly at: number;
  readonly lengthBytes: number;
  readonly tail: number;
  readonly sequence: bigint;
  readonly bytes: Uint8Array;
}

const SECTOR = 4096;

/**
 * The file as it is once the newest complete sequence of entries has been applied.
 * @returns undefined when there is none
 */
export function replayLog(image: Uint8Array, place: LogPlace): Uint8Array | undefined {
  const ring = image.subarray(place.offset, place.offset + place.lengthBytes);
  const sequence = activeSequence(entriesOf(ring, place.guid), place.lengthBytes);
  if (sequence === undefined) return undefined;
  const last = sequence.at(-1)!;
  const fileBytes = Number(viewOf(last.bytes).getBigUint64(56, true));
  const replayed = new Uint8Array(Math.max(image.length, fileBytes));
  replayed.set(image);
  for (const { bytes } of sequence) applyEntry(bytes, replayed);
  return replayed;
}

function entriesOf(ring: Uint8Array, guid: string): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + SECTOR <= ring.length; at += SECTOR) {
    const entry = entryAt(ring, at, guid);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function entryAt(ring: Uint8Array, at: number, guid: string): Entry | undefined {
  const head = viewOf(ring.subarray(at, at + SECTOR));
  if (textAt(head, 0) !== 'loge') return undefined;
  const lengthBytes = head.getUint32(8, true);
  if (lengthBytes === 0 || lengthBytes % SECTOR !== 0 || lengthBytes > ring.length)
    return undefined;
  const bytes = Buffer.concat([ring.subarray(at), ring]).subarray(0, lengthBytes);
  const view = viewOf(bytes);
  if (bytes.toString('hex', 32, 48) !== guid) return undefined;
  if (crc32c(bytes, 4) !== view.getUint32(4, true)) return undefined;
  const sequence = view.getBigUint64(16, true);
  if (!isComplete(view, sequence)) return undefined;
  return { at, lengthBytes, tail: view.getUint32(12, true), sequence, bytes };
}

/** Whether every descriptor, and every data sector, belongs to the entry. */
function isComplete(view: DataView, sequence: bigint): boolean {
  const count = view.getUint32(24, true);
  let data = firstDataSector(count);
  for (let index = 0; index < count; index++) {
    const at = 64 + index * 32;
    if (at + 32 > view.byteLength || view.getBigUint64(at + 24, true) !== sequence) return false;
    const kind = textAt(view, at);
    if (kind === 'zero') continue;
    if (kind !== 'desc' || data + SECTOR > view.byteLength) return false;
    const high = BigInt(view.getUint32(data + 4, true));
    const low = BigInt(view.getUint32(data + SECTOR - 4, true));
    if (textAt(view, data) !== 'data' || high * 2n ** 32n + low !== sequence) return false;
    data += SECTOR;
  }
  return true;
}

/** Of all sequences that lead from a tail to a head without a gap, that with the newest head. */
function activeSequence(entries: readonly Entry[], logBytes: number): Entry[] | undefined {
  const newestFirst = entries.toSorted((one, other) => Number(other.sequence - one.sequence));
  for (const head of newestFirst) {
    const sequence: Entry[] = [];
    for (let at = head.tail; ;) {
      const entry = entries.find((one) => one.at === at);
      const previous = sequence.at(-1);
      if (entry === undefined) break;
      if (previous !== undefined && entry.sequence !== previous.sequence + 1n) break;
      sequence.push(entry);
      if (entry === head) return sequence;
      at = (at + entry.lengthBytes) % logBytes;
    }
  }
  return undefined;
}

function applyEntry(bytes: Uint8Array, file: Uint8Array): void {
  const view = viewOf(bytes);
  const count = view.getUint32(24, true);
  let data = firstDataSector(count);
  for (let index = 0; index < count; index++) {
    const at = 64 + index * 32;
    const target = Number(view.getBigUint64(at + 16, true));
    if (textAt(view, at) === 'zero') {
      file.fill(0, target, target + Number(view.getBigUint64(at + 8, true)));
      continue;
    }
    file.set(bytes.subarray(data, data + SECTOR), target);
    file.set(bytes.subarray(at + 8, at + 16), target);
    file.set(bytes.subarray(at + 4, at + 8), target + SECTOR - 4);
    data += SECTOR;
  }
}

function firstDataSector(descriptors: number): number {
  return Math.ceil((64 + descriptors * 32) / SECTOR) * SECTOR;
}

function textAt(view: DataView, at: number): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, 4));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
