/**
 * An independent look at a Parallels image: does every cluster have a place of its own within the
 * file? Written against the specification, with nothing of the package.
 */
import type { Verdict } from '../subject/subject.ts';
import { Places } from './places.ts';

const MAGIC = 'WithouFreSpacExt';
const IN_USE = 0x746f_6e59;

export function verifyParallels(image: Uint8Array): Verdict {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  if (String.fromCharCode(...image.subarray(0, 16)) !== MAGIC) {
    return { errors: ['the header is damaged'], leaks: [], isDirty: false };
  }
  const clusterBytes = u32(28) * 512;
  const dataAt = u32(48) * 512;
  const places = new Places();
  places.use('the header and the table', 0, dataAt);
  let end = dataAt;
  for (let index = 0; index < u32(32); index++) {
    const place = u32(64 + index * 4) * clusterBytes;
    if (place === 0) continue;
    places.use(`cluster ${index}`, place, clusterBytes);
    end = Math.max(end, place + clusterBytes);
  }
  const leaks = image.length > end ? ['the file is too long'] : [];
  return { errors: places.faults(image.length), leaks, isDirty: u32(44) === IN_USE };
}
