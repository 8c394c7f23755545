/** The content of a zstd file: frames of any size, with or without a seek table. */
import { mappedStorage, type Step } from '@diskfile/core';
import { ByteInput } from '../byte-input.ts';
import type { Content, PackedSource } from '../content.ts';
import { measure } from '../pass.ts';
import { streamStorage } from '../stream-storage.ts';
import { UnitMap } from '../unit-map.ts';
import { UnitTable } from '../unit-table.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { type Frame, readFrame } from './frames.ts';
import { readSeekTable } from './seek-table.ts';
import { FrameStarts, ZstdPass } from './zstd-pass.ts';

/** Frames up to this length are decoded whole, and side by side; every decoder has room for them. */
const MAX_UNIT_BYTES = 4 * 1024 * 1024;

export function* openZstd(source: PackedSource): Step<Content> {
  const { storage, decoders, limits } = source;
  const table = yield* readSeekTable(storage, limits);
  const units = table?.units ?? (yield* walkFrames(source));
  const seekable = table !== undefined;
  const details = { packing: 'zstd', seekable, frames: units.count };
  if (Math.max(units.maxContentBytes, units.maxHostBytes) <= MAX_UNIT_BYTES) {
    const map = new UnitMap(storage, units, new FrameDecoder(yield* decoders.load('zstd')));
    return { storage: mappedStorage(storage, map, { limits, isDecoded: true }), details };
  }
  const starts = new FrameStarts(storage, yield* decoders.loadStream('zstd'), units);
  return { storage: streamStorage(storage, starts, units.sizeBytes, limits), details };
}

function* walkFrames(source: PackedSource): Step<UnitTable> {
  const { storage, limits } = source;
  const units = new UnitTable(limits);
  const input = new ByteInput(storage, 0);
  while (!input.isAtEnd) {
    const { frame, end } = yield* readFrame(storage, input);
    if (frame !== undefined) {
      const contentBytes = frame.contentBytes ?? (yield* measureFrame(source, frame));
      units.add(frame.hostOffset, frame.hostBytes, contentBytes);
    }
    input.seek(end);
  }
  return units;
}

/** A frame that was made without knowing how long its content would be. */
function* measureFrame(source: PackedSource, frame: Frame): Step<number> {
  const { storage, decoders, limits } = source;
  const codec = yield* decoders.loadStream('zstd');
  const place = { hostOffset: frame.hostOffset, offset: 0 };
  const end = frame.hostOffset + frame.hostBytes;
  return yield* measure(new ZstdPass(storage, codec, place, end), limits);
}
