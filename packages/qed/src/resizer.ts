/**
 * Makes the disk larger. What lies behind the old end reads as zeros first, and only then the
 * header says that it is part of the disk: a loss of power leaves one size or the other.
 */
import { alignUp } from '@diskfile/bytes';
import { BLOCK, type ImageResizer, type ResizeRequest, type Step } from '@diskfile/core';
import { refused } from './errors.ts';
import { maxDiskBytes } from './header.ts';
import type { QedWritingParts } from './writing-parts.ts';

export class QedResizer implements ImageResizer {
  readonly preallocations = ['off'] as const;
  readonly #parts: QedWritingParts;

  constructor(parts: QedWritingParts) {
    this.#parts = parts;
  }

  *resize(request: ResizeRequest): Step<void> {
    const { storage, state, table } = this.#parts;
    const { sizeBytes } = request;
    const maxBytes = maxDiskBytes(state.header);
    if (sizeBytes < state.header.sizeBytes) throw shrinkRefused();
    if (sizeBytes > maxBytes) {
      const message = `The tables of this image map ${maxBytes} bytes at most`;
      throw refused('unsupported', 'qed.disk-too-large', message, 'Convert the image.');
    }
    yield* this.#clearEnd(request);
    yield* this.#clearBehind(request);
    yield* table.flush();
    yield* state.change(storage, { sizeBytes });
  }

  /** What the last cluster holds behind the end is not the disk's. */
  *#clearEnd({ backingBytes, writeZeros }: ResizeRequest): Step<void> {
    const { state, table } = this.#parts;
    const { sizeBytes: end, clusterBytes } = state.header;
    const rest = alignUp(end, clusterBytes) - end;
    if (rest === 0) return;
    const place = yield* this.#placeOf(Math.floor(end / table.blockBytes));
    if (place >= 0 || (place === BLOCK.none && backingBytes > end)) yield* writeZeros(end, rest);
  }

  /** Entries behind the end: zeros where the image below would be seen, and else none. */
  *#clearBehind({ sizeBytes, backingBytes }: ResizeRequest): Step<void> {
    const { state, table } = this.#parts;
    const { clusterBytes, sizeBytes: oldBytes } = state.header;
    const first = Math.ceil(oldBytes / clusterBytes);
    const end = Math.ceil(sizeBytes / clusterBytes);
    const belowEnd = backingBytes > oldBytes ? Math.ceil(backingBytes / clusterBytes) : first;
    for (let index = first; index < end; index++) {
      if (index >= belowEnd) {
        yield* table.load(index);
        index = table.nextHeld(index, end);
        if (index === end) return;
      }
      const place = yield* this.#placeOf(index);
      const isWanted = index < belowEnd ? BLOCK.zero : BLOCK.none;
      if (place === isWanted) continue;
      yield* index < belowEnd ? table.linkZero(index) : table.unlink(index);
    }
  }

  *#placeOf(clusterIndex: number): Step<number> {
    const { table } = this.#parts;
    yield* table.load(clusterIndex);
    return table.find(clusterIndex);
  }
}

function shrinkRefused() {
  return refused(
    'unsupported',
    'qed.shrink',
    'A QED image cannot be made smaller',
    'Convert the first part of the disk to a new image.',
  );
}
