/** In how many sectors two L1 tables of one length differ, COPIED flags left aside. */
import { clearBits } from '@diskfile/bytes';

const SECTOR_BYTES = 512;
const ENTRY_BYTES = 8;
const COPIED_HIGH = 0x8000_0000;

export function differingSectors(first: Uint8Array, second: Uint8Array): number {
  const [one, other] = [viewOf(first), viewOf(second)];
  let sectors = 0;
  for (let sector = 0; sector < one.byteLength; sector += SECTOR_BYTES) {
    const end = Math.min(sector + SECTOR_BYTES, one.byteLength);
    let at = sector;
    while (at < end && isSame(one, other, at)) at += ENTRY_BYTES;
    if (at < end) sectors += 1;
  }
  return sectors;
}

function isSame(one: DataView, other: DataView, at: number): boolean {
  const high = clearBits(one.getUint32(at), COPIED_HIGH);
  if (high !== clearBits(other.getUint32(at), COPIED_HIGH)) return false;
  return one.getUint32(at + 4) === other.getUint32(at + 4);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
