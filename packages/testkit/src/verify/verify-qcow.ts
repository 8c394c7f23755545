/**
 * An independent look at a qcow image of version 1: does everything have a place of its own within
 * the file? Space that is not used does not count: nothing in the format tells of it.
 */
import type { Verdict } from '../subject/subject.ts';
import { Places } from './places.ts';

const MAGIC = 0x5146_49fb;

export function verifyQcow(image: Uint8Array): Verdict {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const u64 = (at: number) => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (view.getUint32(0) !== MAGIC || view.getUint32(4) !== 1) {
    return { errors: ['the header is damaged'], leaks: [], isDirty: false };
  }
  const [clusterBits, l2Bits] = [view.getUint8(32), view.getUint8(33)];
  const clusterBytes = 2 ** clusterBits;
  const l1At = u64(40);
  const l1Entries = Math.ceil(u64(24) / (clusterBytes * 2 ** l2Bits));
  const places = new Places();
  places.use('the header', 0, 48);
  places.use('the L1 table', l1At, l1Entries * 8);
  for (let index = 0; index < l1Entries; index++) {
    const table = u64(l1At + index * 8);
    if (table === 0) continue;
    places.use(`L2 table ${index}`, table, 8 * 2 ** l2Bits);
    if (table + 8 * 2 ** l2Bits > image.length) continue;
    for (let slot = 0; slot < 2 ** l2Bits; slot++) {
      const entry = view.getBigUint64(table + slot * 8);
      if (entry === 0n) continue;
      const [start, length] = placeOf(entry, clusterBits);
      places.use(`cluster ${index}.${slot}`, start, length);
    }
  }
  return { errors: places.faults(image.length), leaks: [], isDirty: false };
}

function placeOf(entry: bigint, clusterBits: number): [start: number, lengthBytes: number] {
  if (entry < 2n ** 63n) return [Number(entry), 2 ** clusterBits];
  const shift = BigInt(63 - clusterBits);
  const length = (entry >> shift) % 2n ** BigInt(clusterBits);
  return [Number(entry % 2n ** shift), Number(length)];
}
