/** Writing a LUKS disk: every sector has its place already, and is encrypted on the way there. */
import { FlatResizer, type FlatSize, FlatWriter, type ImageResizer } from '@diskfile/core';
import { type CipherStorage, SECTOR_BYTES } from '@diskfile/crypto';

export class LuksWriter extends FlatWriter {
  readonly sectorBytes = SECTOR_BYTES;
  readonly resizer: ImageResizer;

  /** @param keepsNoise whether what a disk gains may read as anything, as QEMU leaves it */
  constructor(clear: CipherStorage, size: FlatSize, payloadOffset: number, keepsNoise: boolean) {
    super(clear, payloadOffset);
    // Zeros of the host are noise once they are decrypted.
    const options = { startOffset: payloadOffset, newBytesAreNoise: !keepsNoise };
    this.resizer = new FlatResizer(clear, size, options);
  }
}
