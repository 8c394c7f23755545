/** Writing a LUKS disk: every sector has its place already, and is encrypted on the way there. */
import { FlatResizer, type FlatSize, FlatWriter, type ImageResizer } from '@diskfile/core';
import { type CipherStorage, SECTOR_BYTES } from '@diskfile/crypto';

export class LuksWriter extends FlatWriter {
  readonly sectorBytes = SECTOR_BYTES;
  readonly resizer: ImageResizer;

  constructor(clear: CipherStorage, size: FlatSize, payloadOffset: number) {
    super(clear, payloadOffset);
    // Zeros of the host are noise once they are decrypted.
    const options = { startOffset: payloadOffset, newBytesAreNoise: true };
    this.resizer = new FlatResizer(clear, size, options);
  }
}
