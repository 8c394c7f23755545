/** Creating raw disks, with the options of `qemu-img create -f raw`. */
import { DiskError } from '@diskfile/bytes';
import {
  allocateSpace,
  type CreateContext,
  growStorage,
  quote,
  type Step,
  writeZeros,
} from '@diskfile/core';

const PREALLOCATIONS = ['off', 'falloc', 'full'];

export function* createRaw(context: CreateContext): Step<void> {
  const { storage, sizeBytes, options, backing } = context;
  if (backing !== undefined) {
    throw refused('raw.no-backing', 'A raw disk cannot have a backing file');
  }
  const preallocation = parseRawOptions(options);
  yield* growStorage(storage, sizeBytes);
  if (preallocation === 'off') return;
  const reserved = preallocation === 'falloc' && (yield* allocateSpace(storage, 0, sizeBytes));
  if (!reserved) yield* writeZeros(storage, 0, sizeBytes);
}

/** @returns how space is set aside */
export function parseRawOptions(options: CreateContext['options']): string {
  const { preallocation = 'off', ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    const message = `Raw disks have no option ${quote(name)}`;
    throw refused('raw.option', message, 'Known options: preallocation.');
  }
  if (!PREALLOCATIONS.includes(String(preallocation))) {
    throw refused(
      'raw.preallocation',
      `Raw disks have no preallocation ${quote(String(preallocation))}`,
      `Known ones: ${PREALLOCATIONS.join(', ')}.`,
    );
  }
  return String(preallocation);
}

function refused(detail: string, message: string, hint?: string): DiskError {
  const context = { op: 'create', format: 'raw', layer: 'format' };
  return new DiskError(
    'invalid-argument',
    detail,
    message,
    hint === undefined ? context : { ...context, hint },
  );
}
