/** Images that were made one after the other, made comparable. */
import { alignUp, readU16be, readU32be, readU64be } from '@diskfile/bytes';

const DATE = { from: 16, to: 24 } as const;
const FIXED_BYTES = 40;

/** A copy of an image in which all snapshots have been taken in 1970. */
export function withoutDates(image: Uint8Array): Uint8Array {
  const masked = image.slice();
  const snapshots = readU32be(masked, 60);
  let at = snapshots === 0 ? 0 : readU64be(masked, 64, 'snapshots_offset');
  for (let index = 0; index < snapshots; index++) {
    at = alignUp(at, 8);
    masked.fill(0, at + DATE.from, at + DATE.to);
    const [idBytes, nameBytes] = [readU16be(masked, at + 12), readU16be(masked, at + 14)];
    at += FIXED_BYTES + readU32be(masked, at + 36) + idBytes + nameBytes;
  }
  return masked;
}
