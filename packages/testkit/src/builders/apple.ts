/** Makes sparse images and ASIF images of Apple's, from descriptions of the formats alone. */

const SECTOR = 512;
const HEADER_BYTES = 4096;

/** Bands of zeros are left out; the others lie in reverse order. */
export function buildSparseImage(content: Uint8Array, bandBytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('sprs');
  const sectors = content.length / SECTOR;
  for (const [index, value] of [3, bandBytes / SECTOR, 1, sectors].entries()) {
    header.writeUInt32BE(value, 4 + index * 4);
  }
  header.writeBigUInt64BE(BigInt(sectors), 28);
  const parts: Uint8Array[] = [header];
  for (let band = Math.ceil(content.length / bandBytes) - 1; band >= 0; band--) {
    const bytes = content.subarray(band * bandBytes, (band + 1) * bandBytes);
    if (bytes.every((byte) => byte === 0)) continue;
    header.writeUInt32BE(band + 1, 64 + (parts.length - 1) * 4);
    parts.push(Buffer.concat([bytes, Buffer.alloc(bandBytes - bytes.length)]));
  }
  return Buffer.concat(parts);
}

export const ASIF_CHUNK = 65_536;
const GROUP_CHUNKS = 4 * SECTOR;

/**
 * One table, one group, its bitmap, and the chunks that hold anything, in reverse order. Chunks with
 * sectors of zeros have these in the bitmap alone, and other bytes in their place. The content is no
 * longer than what a group holds.
 */
export function buildAsif(content: Uint8Array): Buffer {
  const [front, table, bitmap] = [0, 1, 2].map(() => Buffer.alloc(ASIF_CHUNK));
  const data: Buffer[] = [];
  const count = Math.ceil(content.length / ASIF_CHUNK);
  for (let chunk = count - 1; chunk >= 0; chunk--) {
    const bytes = Buffer.alloc(ASIF_CHUNK);
    bytes.set(content.subarray(chunk * ASIF_CHUNK, (chunk + 1) * ASIF_CHUNK));
    const written: number[] = [];
    for (let sector = 0; sector < ASIF_CHUNK / SECTOR; sector++) {
      const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      if (part.some((byte) => byte !== 0)) written.push(sector);
      else part.fill(0xa5);
    }
    if (written.length === 0) continue;
    const isWhole = written.length === ASIF_CHUNK / SECTOR;
    table!.writeUInt32BE(isWhole ? 0x4000_0000 : 0xc000_0000, chunk * 8);
    table!.writeUInt32BE(3 + data.length, chunk * 8 + 4);
    for (const sector of isWhole ? [] : written) {
      const at = (chunk * ASIF_CHUNK) / SECTOR + sector;
      bitmap![Math.floor(at / 4)]! += 4 ** (at % 4);
    }
    data.push(bytes);
  }
  table!.writeUInt32BE(2, GROUP_CHUNKS * 8 + 4);
  front!.write('shdw');
  front!.writeUInt32BE(1, 4);
  front!.writeUInt32BE(512, 8);
  for (const [index, offset] of [1024, 2048].entries()) {
    front!.writeUInt32BE(offset, 20 + index * 8);
    // The second directory is the newer one.
    front!.writeUInt32BE(7 + index, offset + 4);
    front!.writeUInt32BE(index, offset + 12);
  }
  front!.writeBigUInt64BE(BigInt(content.length / SECTOR), 48);
  front!.writeBigUInt64BE(2n ** 40n, 56);
  front!.writeUInt32BE(ASIF_CHUNK, 64);
  front!.writeUInt16BE(SECTOR, 68);
  return Buffer.concat([front!, table!, bitmap!, ...data]);
}
