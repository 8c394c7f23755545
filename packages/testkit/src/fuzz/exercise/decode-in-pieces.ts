import type { StreamDecoder } from '@diskfile/core';

const MAX_STREAM_BYTES = 4 * 1024 * 1024;
const ROOM_BYTES = 16_384;

/** Reads a stream to its end, or as far as a mutant may lead. */
export function decodeInPieces(
  decoder: StreamDecoder,
  src: Uint8Array,
  choices: readonly number[],
): void {
  const pieceBytes = 1 + Math.floor(choices[1]! * 4096);
  const dst = new Uint8Array(1 + Math.floor(choices[2]! * ROOM_BYTES));
  let takenBytes = 0;
  let filledBytes = 0;
  while (!decoder.isAtEnd && filledBytes < MAX_STREAM_BYTES) {
    const piece = src.subarray(takenBytes, takenBytes + pieceBytes);
    decoder.decode(piece, dst);
    takenBytes += decoder.takenBytes;
    filledBytes += decoder.filledBytes;
    if (decoder.takenBytes + decoder.filledBytes === 0 && piece.length === 0) return;
  }
}
