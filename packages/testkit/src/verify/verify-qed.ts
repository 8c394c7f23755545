/**
 * An independent look at a QED image: does every table and cluster have a place of its own within
 * the file? Written against the specification, with nothing of the package.
 */
import type { Verdict } from '../subject/subject.ts';
import { Places } from './places.ts';

const MAGIC = 0x0044_4551;
const NEED_CHECK = 2;

export function verifyQed(image: Uint8Array): Verdict {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => u32(at + 4) * 2 ** 32 + u32(at);
  if (u32(0) !== MAGIC) return { errors: ['the header is damaged'], leaks: [], isDirty: false };
  const clusterBytes = u32(4);
  const tableBytes = u32(8) * clusterBytes;
  const places = new Places();
  const errors: string[] = [];
  let used = u32(12);
  const use = (what: string, offset: number, lengthBytes: number): boolean => {
    places.use(what, offset, lengthBytes);
    used += lengthBytes / clusterBytes;
    if (offset % clusterBytes !== 0) errors.push(`${what} is not aligned`);
    return offset + lengthBytes <= image.length;
  };
  places.use('the header', 0, u32(12) * clusterBytes);
  use('the L1 table', u64(40), tableBytes);
  for (let index = 0; index < tableBytes / 8; index++) {
    const table = u64(u64(40) + index * 8);
    if (table === 0 || !use(`L2 table ${index}`, table, tableBytes)) continue;
    for (let slot = 0; slot < tableBytes / 8; slot++) {
      const cluster = u64(table + slot * 8);
      if (cluster > 1) use(`cluster ${index}.${slot}`, cluster, clusterBytes);
    }
  }
  errors.push(...places.faults(image.length));
  const unused = Math.floor(image.length / clusterBytes) - used;
  const leaks = unused > 0 ? [`${unused} clusters are not used`] : [];
  return { errors, leaks, isDirty: u32(16) % 4 >= NEED_CHECK };
}
