/** Refusals that all work on bitmaps words alike. */
import { DiskError, type DiskErrorCode } from '@diskfile/bytes';
import { quote } from '@diskfile/core';
import { MAX_BITMAPS, MAX_DIRECTORY_BYTES } from './bitmap-directory.ts';

export function bitmapNotFound(name: string): DiskError {
  return refuse(
    'not-found',
    'qcow2.bitmap-not-found',
    `The image has no bitmap ${quote(name)}`,
    'capabilities.bitmaps.list() gives those that there are.',
  );
}

export function bitmapInconsistent(name: string): DiskError {
  return refuse(
    'corrupt',
    'qcow2.bitmap-inconsistent',
    `The bitmap ${quote(name)} was not saved properly, so that nothing can be learned from it`,
    'Remove it, make a new one, and take all of the disk for changed until then.',
  );
}

export function bitmapNotUnderstood(name: string): DiskError {
  return refuse(
    'unsupported',
    'qcow2.bitmap-not-understood',
    `The bitmap ${quote(name)} comes with data or flags that are not known here`,
    'Use the program that made it, or remove it.',
  );
}

export function bitmapDamaged(name: string): DiskError {
  return refuse(
    'corrupt',
    'qcow2.bitmap-damaged',
    `What the image says of where the bitmap ${quote(name)} lies cannot be true`,
    'Remove it, make a new one, and take all of the disk for changed until then.',
  );
}

/** Work on a bitmap that takes more memory than bitmaps may. */
export function bitmapTooLarge(name: string): DiskError {
  return refuse(
    'limit',
    'qcow2.bitmap-too-large',
    `The bitmap ${quote(name)} takes more memory than the bitmaps of a disk may take together`,
    'Raise limits.maxStructureBytes, or choose a larger granularity.',
  );
}

export function tooManyBitmaps(): DiskError {
  return refuse(
    'limit',
    'qcow2.too-many-bitmaps',
    `An image has at most ${MAX_BITMAPS} bitmaps, in a directory of ${MAX_DIRECTORY_BYTES} bytes`,
    'Remove some that are no longer needed.',
  );
}

/** A bitmap that does not go with a disk of that size. */
export function bitmapImpossible(name: string, granularityBytes: number): DiskError {
  return refuse(
    'invalid-argument',
    'qcow2.bitmap-size',
    `The bitmap ${quote(name)} cannot have granules of ${granularityBytes} bytes on a disk of that size`,
    'Choose a larger granularity; an empty disk has no bitmaps.',
  );
}

export function refuse(
  code: DiskErrorCode,
  detail: string,
  message: string,
  hint: string,
): DiskError {
  return new DiskError(code, detail, message, { format: 'qcow2', hint });
}
