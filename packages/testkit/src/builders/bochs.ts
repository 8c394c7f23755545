/** Makes growing images of Bochs, of version 2, from the format's description alone. */

const SECTOR = 512;
const HEADER_BYTES = 512;

/**
 * The content is a number of whole extents. Extents of zeros are not there, the others lie in
 * reverse order with all of their sectors.
 */
export function buildBochs(content: Uint8Array, extentBytes: number): Buffer {
  const count = content.length / extentBytes;
  const bitmapBytes = Math.ceil(extentBytes / SECTOR / 8);
  const head = Buffer.alloc(HEADER_BYTES + count * 4, 0xff).fill(0, 0, HEADER_BYTES);
  head.write('Bochs Virtual HD Image');
  head.write('Redolog', 32);
  head.write('Growing', 48);
  for (const [index, value] of [
    0x2_0000,
    HEADER_BYTES,
    count,
    bitmapBytes,
    extentBytes,
  ].entries()) {
    head.writeUInt32LE(value, 64 + index * 4);
  }
  head.writeBigUInt64LE(BigInt(content.length), 88);
  const parts: Uint8Array[] = [head];
  let place = 0;
  for (let index = count - 1; index >= 0; index--) {
    const extent = content.subarray(index * extentBytes, (index + 1) * extentBytes);
    if (extent.every((byte) => byte === 0)) continue;
    head.writeUInt32LE(place, HEADER_BYTES + index * 4);
    const bitmap = Buffer.alloc(Math.ceil(bitmapBytes / SECTOR) * SECTOR);
    for (let sector = 0; sector < extentBytes / SECTOR; sector++) {
      bitmap[Math.floor(sector / 8)]! += 2 ** (sector % 8);
    }
    parts.push(bitmap, extent);
    place += 1;
  }
  return Buffer.concat(parts);
}
