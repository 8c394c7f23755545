/** Reads that hop over the disk the way `qemu-img bench` does with a large step. */

export const BLOCK_BYTES = 4096;

/** A step that is no simple fraction of the size, so that the reads spread out evenly. */
export function hopStep(sizeBytes: number): number {
  return Math.floor((sizeBytes * 0.382) / BLOCK_BYTES) * BLOCK_BYTES;
}

export function hopOffset(index: number, sizeBytes: number): number {
  return (index * hopStep(sizeBytes)) % sizeBytes;
}
