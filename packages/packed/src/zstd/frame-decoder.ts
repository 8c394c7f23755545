/** Decodes the frames of one unit, which has to consist of them exactly. */
import { brokenZstd, readZstdFrame } from '@diskfile/bytes';
import type { Decoder } from '@diskfile/core';

/**
 * A decoder is content once its output is full. Where a seek table says how long a unit is, what
 * would be left over is content that other programs see.
 */
export class FrameDecoder implements Decoder {
  readonly id = 'zstd';
  readonly #decoder: Decoder;

  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  decodeSync(src: Uint8Array, dst: Uint8Array): void {
    refuseRest(src);
    this.#decoder.decodeSync(src, dst);
  }

  async decode(src: Uint8Array, dst: Uint8Array): Promise<void> {
    refuseRest(src);
    await this.#decoder.decode(src, dst);
  }
}

/** One frame with content, and perhaps skippable ones around it. */
function refuseRest(src: Uint8Array): void {
  let frames = 0;
  for (let at = 0; at < src.length;) {
    const { end, skippable } = readZstdFrame(src, at);
    if (!skippable) frames += 1;
    at = end;
  }
  if (frames !== 1) throw brokenZstd(`a unit of the file consists of ${frames} frames`);
}
