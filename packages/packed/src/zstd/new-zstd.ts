/** New disks in the Zstandard Seekable Format: made as zeros, and opened to be filled. */
import { DiskError, isPowerOfTwo } from '@diskfile/bytes';
import {
  type CreateContext,
  type FormatImage,
  type OpenContext,
  parseByteCount,
  quote,
  readBytes,
  type Step,
  type Storage,
  writableStorage,
} from '@diskfile/core';
import type { UnitTable } from '../unit-table.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { FrameImage } from './frame-image.ts';
import { FrameStream } from './frame-stream.ts';
import { readSeekTable } from './seek-table.ts';
import { zeroFrame } from './zero-frame.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What a read costs at most, against what is lost at the start of each frame. */
const DEFAULT_FRAME_BYTES = MIB;
const MIN_FRAME_BYTES = 4 * KIB;
/** The portable encoder has no room for more. */
const MAX_FRAME_BYTES = 2 * MIB;
/** Compared at a time. */
const PIECE_FRAMES = 4096;
/** What readers with the default limits take. */
const MAX_FRAMES = 2 ** 21;

/** The whole disk is zeros, and the file complete. */
export function* createZstd({ storage, sizeBytes, options, backing }: CreateContext): Step<void> {
  if (backing !== undefined) {
    throw invalid('zstd.backing', 'A zstd file cannot lie over another image');
  }
  yield* new FrameStream(storage, { sizeBytes, frameBytes: frameSize(sizeBytes, options) }).flush();
}

function frameSize(sizeBytes: number, options: CreateContext['options']): number {
  const { frame_size: given, ...others } = options;
  for (const name of Object.keys(others)) {
    const message = `zstd files have no option ${quote(name)}`;
    throw invalid('zstd.option', message, 'Known options: frame_size.');
  }
  const frameBytes = given === undefined ? defaultFor(sizeBytes) : (parseByteCount(given) ?? 0);
  const isPossible = frameBytes >= MIN_FRAME_BYTES && frameBytes <= MAX_FRAME_BYTES;
  if (!isPossible || !isPowerOfTwo(frameBytes)) {
    const message = `Frames cannot hold ${quote(String(given))} bytes`;
    const hint = `frame_size is a power of two from ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES}.`;
    throw invalid('zstd.frame-size', message, hint);
  }
  if (sizeBytes > MAX_FRAMES * frameBytes) {
    const message = `A disk of ${sizeBytes} bytes is more than ${MAX_FRAMES} frames of ${frameBytes}`;
    throw invalid('zstd.size', message, 'Choose a larger frame_size, or split the disk.');
  }
  return frameBytes;
}

function defaultFor(sizeBytes: number): number {
  return sizeBytes > MAX_FRAMES * DEFAULT_FRAME_BYTES ? MAX_FRAME_BYTES : DEFAULT_FRAME_BYTES;
}

/**
 * Opens a file that nothing has been written to yet.
 * @throws DiskError `unsupported` for any other: frames cannot be changed
 */
export function* openNewZstd({ storage: file, decoders, limits }: OpenContext): Step<FormatImage> {
  const storage = writableStorage(file, 'zstd');
  const table = yield* readSeekTable(storage, limits);
  const units = table?.units;
  if (units === undefined || !(yield* isNew(storage, units))) throw notNew();
  const layout = { sizeBytes: units.sizeBytes, frameBytes: frameBytesOf(units) };
  const stream = new FrameStream(storage, layout);
  stream.markWhole();
  return new FrameImage(stream, layout, new FrameDecoder(yield* decoders.load('zstd')));
}

/** A disk of one frame may be shorter than that. */
function frameBytesOf(units: UnitTable): number {
  if (units.count > 1) return units.contentBytes(0);
  let frameBytes = MIN_FRAME_BYTES;
  while (frameBytes < units.sizeBytes) frameBytes *= 2;
  return frameBytes;
}

/** Whether the file is what {@link createZstd} has made. */
function* isNew(storage: Storage, units: UnitTable): Step<boolean> {
  const { count, sizeBytes } = units;
  if (count === 0) return true;
  const frameBytes = frameBytesOf(units);
  const isSize = isPowerOfTwo(frameBytes) && frameBytes <= MAX_FRAME_BYTES;
  if (!isSize || Math.ceil(sizeBytes / frameBytes) !== count) return false;
  const zeros = zeroFrame(frameBytes);
  const last = zeroFrame(units.contentBytes(count - 1));
  const lastAt = (count - 1) * zeros.length;
  if (units.hostOffset(count - 1) !== lastAt) return false;
  if (units.hostBytes(count - 1) !== last.length) return false;
  return (
    (yield* repeats(storage, 0, lastAt, zeros)) &&
    (yield* repeats(storage, lastAt, lastAt + last.length, last))
  );
}

/** Whether the bytes from `start` to `end` are `frame` over and over. */
function* repeats(storage: Storage, start: number, end: number, frame: Uint8Array): Step<boolean> {
  const pieceBytes = frame.length * PIECE_FRAMES;
  for (let at = start; at < end; at += pieceBytes) {
    const piece = yield* readBytes(storage, at, Math.min(pieceBytes, end - at));
    if (piece.some((byte, index) => byte !== frame[index % frame.length])) return false;
  }
  return true;
}

function notNew(): DiskError {
  return new DiskError(
    'unsupported',
    'zstd.not-new',
    'The zstd file holds something already, and its frames are written once only',
    { hint: 'Open it read-only, or convert it into a format that can be changed.' },
  );
}

function invalid(detail: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', detail, message, hint === undefined ? {} : { hint });
}
