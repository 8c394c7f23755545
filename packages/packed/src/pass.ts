/** Reading what is packed from front to back, and the places where that can begin. */
import { DiskError } from '@diskfile/bytes';
import type { Limits, Step } from '@diskfile/core';

/** One way through the content. */
export interface Pass {
  /** Where in the content the next byte is. */
  readonly offset: number;
  /** Fills the start of `dst`; 0 only at the end of the content. */
  read(dst: Uint8Array): Step<number>;
  close(): void;
}

/** A place of the content. */
export interface PassStart {
  readonly offset: number;
  start(): Step<Pass>;
}

export interface PassSource {
  /** The last place at or before `offset` where a pass can begin. */
  startBefore(offset: number): PassStart;
}

const SCRATCH_BYTES = 512 * 1024;

/**
 * Goes through all of the content, to find out how long it is.
 * @throws DiskError `limit` when it is longer than opening a file may decode
 */
export function* measure(pass: Pass, { maxUnpackedBytes }: Limits): Step<number> {
  const scratch = new Uint8Array(SCRATCH_BYTES);
  try {
    while ((yield* pass.read(scratch)) > 0) {
      if (pass.offset > maxUnpackedBytes) throw tooLong(maxUnpackedBytes);
    }
    return pass.offset;
  } finally {
    pass.close();
  }
}

function tooLong(maxUnpackedBytes: number): DiskError {
  return new DiskError(
    'limit',
    'packed.too-long',
    `How large the disk is can only be found by unpacking it, and that is more than ${maxUnpackedBytes} bytes`,
    { hint: 'Raise limits.maxUnpackedBytes if the file can be trusted, or unpack it first.' },
  );
}

/** Moves a pass on without keeping what it passes. */
export function* skipTo(pass: Pass, offset: number): Step<void> {
  const scratch = new Uint8Array(Math.min(SCRATCH_BYTES, offset - pass.offset));
  while (pass.offset < offset) {
    const wanted = Math.min(scratch.length, offset - pass.offset);
    if ((yield* pass.read(scratch.subarray(0, wanted))) === 0) throw endsEarly(pass.offset);
  }
}

/** Fills all of `dst`. */
export function* readFully(pass: Pass, dst: Uint8Array): Step<void> {
  for (let filled = 0; filled < dst.length;) {
    const count = yield* pass.read(dst.subarray(filled));
    if (count === 0) throw endsEarly(pass.offset);
    filled += count;
  }
}

function endsEarly(offset: number): DiskError {
  return new DiskError('corrupt', 'packed.short', `The content ends after ${offset} bytes already`);
}
