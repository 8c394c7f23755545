/**
 * VDI images with blocks far smaller than those that programs make, and room before each block
 * where wanted, so that all a crash leaves of one can be looked at.
 */
import { randomFillSync } from 'node:crypto';

export interface SmallVdi {
  readonly sizeBytes: number;
  /** A power of two from 512 on. */
  readonly blockBytes: number;
  readonly blockExtraBytes?: number;
}

const SECTOR = 512;
const MAP_AT = 512;

export function buildSmallVdi({ sizeBytes, blockBytes, blockExtraBytes = 0 }: SmallVdi) {
  const blocks = Math.ceil(sizeBytes / blockBytes);
  const dataAt = MAP_AT + Math.ceil((blocks * 4) / SECTOR) * SECTOR;
  const image = new Uint8Array(dataAt).fill(0xff, MAP_AT, MAP_AT + blocks * 4);
  const view = new DataView(image.buffer);
  image.set(Buffer.from('<<< Oracle VM VirtualBox Disk Image >>>\n'));
  view.setUint32(64, 0xbeda_107f, true);
  view.setUint32(68, 0x0001_0001, true);
  view.setUint32(72, 0x190, true);
  view.setUint32(76, 1, true);
  view.setUint32(340, MAP_AT, true);
  view.setUint32(344, dataAt, true);
  view.setUint32(360, SECTOR, true);
  view.setBigUint64(368, BigInt(sizeBytes), true);
  view.setUint32(376, blockBytes, true);
  view.setUint32(380, blockExtraBytes, true);
  view.setUint32(384, blocks, true);
  randomFillSync(image, 392, 32);
  return image;
}
