/** Creating LUKS disks, with the options of `qemu-img create -f luks`. */
import { DiskError } from '@diskfile/bytes';
import {
  allocateSpace,
  type CreateContext,
  flushStorage,
  quote,
  type Step,
  truncateStorage,
  writeZeros,
} from '@diskfile/core';
import {
  loadCrypto,
  LUKS_OPTION_NAMES,
  luksHeaderBytes,
  parseLuksOptions,
  passphraseMissing,
  writeNewHeader,
} from '@diskfile/crypto';

const PREALLOCATIONS = ['off', 'metadata', 'falloc', 'full'];

/** What a new disk reads as is noise: the zeros of the host, decrypted. */
export function* createLuks(context: CreateContext): Step<void> {
  const { storage, sizeBytes, options, backing, passphrase } = context;
  if (backing !== undefined) {
    throw refused('luks.no-backing', 'A LUKS disk cannot have a backing file');
  }
  const { preallocation, own } = luksOptionsOf(options);
  const luksOptions = parseLuksOptions(own);
  if (passphrase === undefined) throw passphraseMissing('luks');
  const provider = yield* loadCrypto();
  const startOffset = luksHeaderBytes(luksOptions.keyBytes);
  yield* truncateStorage(storage, startOffset + sizeBytes);
  if (preallocation === 'falloc' || preallocation === 'full') {
    const reserved =
      preallocation === 'falloc' && (yield* allocateSpace(storage, startOffset, sizeBytes));
    if (!reserved) yield* writeZeros(storage, startOffset, sizeBytes);
  }
  yield* writeNewHeader({ storage, hostOffset: 0, provider }, luksOptions, passphrase);
  yield* flushStorage(storage);
}

/** Tells the options of the header from how space is set aside. */
export function luksOptionsOf(options: CreateContext['options']): {
  readonly preallocation: string;
  readonly own: CreateContext['options'];
} {
  const { preallocation = 'off', ...own } = options;
  const known: ReadonlySet<string> = new Set(LUKS_OPTION_NAMES);
  const unknown = Object.keys(own).find((name) => !known.has(name));
  if (unknown !== undefined) {
    const hint = `Known options: preallocation, ${LUKS_OPTION_NAMES.join(', ')}.`;
    throw refused('luks.option', `LUKS disks have no option ${quote(unknown)}`, hint);
  }
  if (!PREALLOCATIONS.includes(String(preallocation))) {
    throw refused(
      'luks.preallocation',
      `LUKS disks have no preallocation ${quote(String(preallocation))}`,
      `Known ones: ${PREALLOCATIONS.join(', ')}.`,
    );
  }
  return { preallocation: String(preallocation), own };
}

function refused(detail: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', detail, message, {
    op: 'create',
    format: 'luks',
    layer: 'format',
    ...(hint === undefined ? {} : { hint }),
  });
}
