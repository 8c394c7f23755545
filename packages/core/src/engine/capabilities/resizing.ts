/** Changing the size of a disk. */
import { alignUp, DiskError } from '@diskfile/bytes';
import { checkOptions, describeValue } from '../../arguments.ts';
import type { DiskResizing, ResizeOptions } from '../../disk-capabilities.ts';
import type { ImageResizer } from '../../format/writer-capabilities.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

const SECTOR_BYTES = 512;

export class Resizing implements DiskResizing {
  readonly #target: CapabilityTarget;

  constructor(target: CapabilityTarget) {
    this.#target = target;
  }

  async resize(sizeBytes: number, options: ResizeOptions = {}): Promise<void> {
    await runAsync(this.#step(sizeBytes, options));
  }

  resizeSync(sizeBytes: number, options: ResizeOptions = {}): void {
    this.#target.needSync('resizeSync');
    runSync(this.#step(sizeBytes, options));
  }

  *#step(wantedBytes: number, options: ResizeOptions): Step<void> {
    wholeSectors(wantedBytes);
    checkOptions('resize', options, { shrink: 'flag', preallocation: 'text' });
    yield* this.#target.change(
      'resize',
      ({ resizer }) => resizer,
      (resizer) => resizeWith(this.#target, resizer, wantedBytes, options),
    );
  }
}

/** Part of a change. */
export function* resizeWith(
  { image, backingBytes, writeZeros, readsEnded }: CapabilityTarget,
  resizer: ImageResizer,
  wantedBytes: number,
  { shrink = false, preallocation = 'off' }: ResizeOptions,
): Step<void> {
  const sizeBytes = wholeSectors(wantedBytes);
  const exactBytes = resizer.endsAnywhere === true ? wantedBytes : sizeBytes;
  const smaller = exactBytes < image.sizeBytes;
  if (smaller && !shrink) throw shrinkRefused(exactBytes, image.sizeBytes);
  if (!resizer.preallocations.includes(preallocation)) {
    throw refused('disk.preallocation', `There is no preallocation ${preallocation} here`);
  }
  if (smaller && preallocation !== 'off') {
    throw refused('disk.preallocation', 'A disk that gets smaller has nothing to preallocate');
  }
  if (sizeBytes === image.sizeBytes && resizer.endsAnywhere !== true) return;
  const space = { sizeBytes, exactBytes, preallocation };
  yield* resizer.resize({ ...space, backingBytes, writeZeros, readsEnded });
}

function wholeSectors(sizeBytes: number): number {
  const isSize = Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
  if (isSize && sizeBytes <= Number.MAX_SAFE_INTEGER - SECTOR_BYTES) {
    return alignUp(sizeBytes, SECTOR_BYTES);
  }
  throw refused('disk.size', `A disk cannot be ${describeValue(sizeBytes)} bytes long`);
}

function shrinkRefused(sizeBytes: number, currentBytes: number): DiskError {
  return refused(
    'disk.shrink-refused',
    `The disk of ${currentBytes} bytes would lose all that lies beyond ${sizeBytes}`,
    'Make the filesystems and partitions on it smaller first, then resize with { shrink: true }.',
  );
}

function refused(detail: string, message: string, hint?: string): DiskError {
  const options = { op: 'resize', layer: 'engine' };
  const all = hint === undefined ? options : { ...options, hint };
  return new DiskError('invalid-argument', detail, message, all);
}
