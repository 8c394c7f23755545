/** Streams that are decoded in pieces. */
import type { StreamCheckpoint, StreamDecoder } from '@diskfile/core';

/** Where decoding can be gone on with. */
export interface Place {
  readonly checkpoint: StreamCheckpoint;
  readonly takenBytes: number;
  readonly filledBytes: number;
}

/** Decodes in pieces, and notes every checkpoint. */
export function decodeInPieces(
  decoder: StreamDecoder,
  src: Uint8Array,
  pieceBytes: number,
  roomBytes: number,
) {
  const output: Uint8Array[] = [];
  const places: Place[] = [];
  let takenBytes = 0;
  let filledBytes = 0;
  while (!decoder.isAtEnd) {
    const dst = new Uint8Array(roomBytes);
    const piece = src.subarray(takenBytes, takenBytes + pieceBytes);
    decoder.decode(piece, dst);
    takenBytes += decoder.takenBytes;
    filledBytes += decoder.filledBytes;
    output.push(dst.subarray(0, decoder.filledBytes));
    if (decoder.isAtEnd || decoder.takenBytes + decoder.filledBytes > 0) {
      const checkpoint = decoder.checkpoint();
      if (checkpoint !== undefined) places.push({ checkpoint, takenBytes, filledBytes });
    } else if (piece.length === 0) throw new Error('needs more than there is');
  }
  return { bytes: Buffer.concat(output), places, takenBytes };
}
