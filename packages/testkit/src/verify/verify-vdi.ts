/**
 * An independent look at a VDI image: does every block have a place of its own within the file, and
 * does the header count them right? Written against VirtualBox's description, with nothing of the
 * package.
 */
import type { Verdict } from '../subject/subject.ts';
import { Places } from './places.ts';

const SIGNATURE = 0xbeda_107f;
/** Entries from here on say that there is no block. */
const NO_BLOCK = 0xffff_fffe;

export function verifyVdi(image: Uint8Array): Verdict {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  if (u32(64) !== SIGNATURE) {
    return { errors: ['the header is damaged'], leaks: [], isDirty: false };
  }
  const [mapAt, dataAt, blocks, counted] = [u32(340), u32(344), u32(384), u32(388)];
  const strideBytes = u32(376) + u32(380);
  const places = new Places();
  places.use('the header', 0, 72 + u32(72));
  places.use('the map', mapAt, blocks * 4);
  const errors: string[] = [];
  let used = 0;
  for (let index = 0; index < blocks; index++) {
    const entry = u32(mapAt + index * 4);
    if (entry >= NO_BLOCK) continue;
    used += 1;
    // QEMU puts the next block at the place that the header counts.
    if (entry >= counted) errors.push(`block ${index} is at place ${entry} of ${counted}`);
    places.use(`block ${index}`, dataAt + entry * strideBytes, strideBytes);
  }
  errors.push(...places.faults(image.length));
  const leaks: string[] = [];
  if (counted > used) leaks.push(`${counted} blocks are counted, and ${used} are used`);
  if (image.length > dataAt + counted * strideBytes) leaks.push('the file is too long');
  return { errors, leaks, isDirty: false };
}
