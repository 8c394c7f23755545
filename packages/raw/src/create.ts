/** Creating raw disks, with the options of `qemu-img create -f raw`. */
import { DiskError } from '@diskfile/bytes';
import {
  type CreateContext,
  growStorage,
  type Preallocation,
  quote,
  setAside,
  type Step,
} from '@diskfile/core';

const PREALLOCATIONS = ['off', 'falloc', 'full'] as const;

export function* createRaw(context: CreateContext): Step<void> {
  const { storage, sizeBytes, options, backing } = context;
  if (backing !== undefined) {
    throw refused('raw.no-backing', 'A raw disk cannot have a backing file');
  }
  const preallocation = parseRawOptions(options);
  yield* growStorage(storage, sizeBytes);
  if (preallocation === 'off') return;
  yield* setAside(storage, { from: 0, to: sizeBytes, preallocation });
}

/** @returns how space is set aside */
export function parseRawOptions(options: CreateContext['options']): Preallocation {
  const { preallocation = 'off', ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    const message = `Raw disks have no option ${quote(name)}`;
    throw refused('raw.option', message, 'Known options: preallocation.');
  }
  const known = PREALLOCATIONS.find((each) => each === String(preallocation));
  if (known === undefined) {
    throw refused(
      'raw.preallocation',
      `Raw disks have no preallocation ${quote(String(preallocation))}`,
      `Known ones: ${PREALLOCATIONS.join(', ')}.`,
    );
  }
  return known;
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
